"""Do the workloads of kube-system run: pod network, proxy, DNS, UI, and what was added?"""

from collections.abc import Iterator, Mapping, Sequence

from domain.cluster.api import Workload
from domain.health.findings import Finding, Subject, trouble, warning, well
from domain.kernel.texts import first_of


def check_wanted(wanted: Mapping[str, str]) -> Iterator[Finding]:
    """Check the add-ons of the description.

    Args:
        wanted: why each does not work; empty where it does.
    """
    for name, why in wanted.items():
        if why:
            action = "Install it again with: python -m flows.addons"
            yield trouble(Subject.ADD_ONS, f"{name} does not work: {why}", action)


def check_pending(services: Sequence[str]) -> Iterator[Finding]:
    """Name the Services of type LoadBalancer without an address."""
    if services:
        action = "See why with: kubectl describe service"
        yield warning(Subject.ADD_ONS, f"Services without an address: {first_of(services)}", action)


def check_addons(workloads: Sequence[Workload]) -> Finding:
    """Check that each workload has its wanted replicas."""
    lacking = [
        f"{one.kind} {one.name} ({one.ready} of {one.wanted})"
        for one in workloads
        if one.ready < one.wanted
    ]
    if lacking:
        return trouble(
            Subject.ADD_ONS,
            f"not all replicas are ready: {first_of(lacking)}",
            "Look at them with: kubectl -n kube-system describe",
        )
    return well(Subject.ADD_ONS, f"{first_of([one.name for one in workloads])} ready")

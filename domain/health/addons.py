"""Do the workloads of kube-system run: pod network, proxy, DNS, UI, and what was added?"""

from collections.abc import Sequence

from domain.cluster.api import Workload
from domain.health.findings import Finding, Subject, trouble, well
from domain.kernel.texts import first_of


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

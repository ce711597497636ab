"""Do the API server and its companions run on each master?"""

from collections.abc import Iterator, Sequence

from domain.cluster.api import Pod
from domain.health.findings import Finding, Subject, trouble, well
from domain.kernel.texts import first_of

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""The static pods of a master, by kubeadm's label `component`."""


def check_control_plane(masters: Sequence[str], pods: Sequence[Pod]) -> Finding:
    """Check that each component of each master is Ready.

    Args:
        masters: the names of the masters' nodes.
        pods: those of kube-system.
    """
    if missing := list(_missing(masters, pods)):
        return trouble(
            Subject.CONTROL_PLANE,
            f"not Ready: {first_of(missing)}",
            "Look on that master with: crictl ps -a, and crictl logs",
        )
    where = "the master" if len(masters) == 1 else f"each of {len(masters)} masters"
    return well(Subject.CONTROL_PLANE, f"{len(COMPONENTS)} components Ready on {where}")


def _missing(masters: Sequence[str], pods: Sequence[Pod]) -> Iterator[str]:
    ready = {(pod.node, pod.labels.get("component")) for pod in pods if pod.ready}
    for master in masters:
        for component in COMPONENTS:
            if (master, component) not in ready:
                yield f"{component} on {master}"

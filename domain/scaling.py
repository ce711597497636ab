"""Which machines leave a group, and how a node is emptied before its machine goes."""

import time
from collections.abc import Callable, Mapping, Sequence

from domain.cloud import Instance
from domain.cluster_api import ClusterApi, Pod
from domain.ensured import Ensured
from domain.errors import FinalError, InvalidSpec, NotFound, WaitTimedOut
from domain.names import MASTERS, node_name
from domain.spec import Nodes
from domain.waiting import Clock, Pace, wait_for

DRAIN_DEADLINE = 360.0
"""Seconds for all pods of a node to leave; afterwards the node is given back."""


def check_count(group: str, count: int, bounds: Nodes) -> None:
    """Refuse a size that the group may not have. Raises `InvalidSpec`."""
    if group == MASTERS:
        raise InvalidSpec(f"{MASTERS} has one machine for now; only k8s-node can be scaled")
    if not bounds.minimum <= count <= bounds.maximum:
        raise InvalidSpec(
            f"{count} is outside the bounds of {group}, {bounds.minimum} to {bounds.maximum}; "
            "change nodes.minimum or nodes.maximum with flows.provision --file"
        )


def choose_leaving(
    group: str, machines: Sequence[Instance], count: int, pods: Mapping[str, int]
) -> tuple[Instance, ...]:
    """Choose the machines that leave: the emptiest first, among equals the newest.

    Args:
        pods: workload pods by node name; a machine that is no node counts as empty.
    """
    surplus = max(0, len(machines) - count)
    newest_first = sorted(machines, key=lambda m: (m.created_at, m.id), reverse=True)
    by_load = sorted(newest_first, key=lambda m: pods.get(node_name(group, m.id), 0))
    return tuple(by_load[:surplus])


def drain(
    api: ClusterApi,
    node: str,
    on_progress: Callable[[str], None],
    deadline: float = DRAIN_DEADLINE,
    clock: Clock = time,
    objection: Callable[[], str] = lambda: "",
) -> Ensured[None]:
    """Cordon a node and evict what users run on it; DaemonSet and mirror pods stay.

    Evictions respect disruption budgets, so this can take long. When it does not succeed the
    node is made schedulable again, for it keeps what it still runs.

    Args:
        deadline: seconds.
        objection: asked at each look; words end the drain at once.

    Raises:
        WaitTimedOut: names the pods that did not leave.
        FinalError: there was an objection.
    """
    pace = Pace(timeout=deadline, interval=0.5, longest=5.0)
    try:
        api.set_schedulable(node, False)
    except NotFound:
        return Ensured(None, f"{node} is no node")
    moved: set[str] = set()
    stuck: list[str] = []

    def empty() -> bool | None:
        pods = [pod for pod in api.list_pods(node=node) if _must_leave(pod)]
        stuck[:] = [f"{pod.namespace}/{pod.name}" for pod in pods]
        on_progress(f"{len(pods)} pods left")
        if pods and (words := objection()):
            raise FinalError(
                f"{node} takes pods again with {len(pods)} left on it, because {words}"
            )
        moved.update(pod.uid for pod in pods if pod.uid not in moved and api.evict(pod))
        return None if pods else True

    try:
        wait_for(empty, what=f"{node} empty", pace=pace, clock=clock)
    except WaitTimedOut as error:
        api.set_schedulable(node, True)
        raise WaitTimedOut(
            f"{node} could not be emptied within {pace.timeout:g} s, because these pods did not "
            f"leave: {', '.join(stuck[:5])}; it takes pods again. Look at their disruption "
            "budgets, then run the same command again"
        ) from error
    except BaseException:
        api.set_schedulable(node, True)
        raise
    return Ensured(None, f"{len(moved)} pods moved")


def _must_leave(pod: Pod) -> bool:
    return pod.is_workload and not pod.is_finished

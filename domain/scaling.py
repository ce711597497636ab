"""Which machines leave a group, and how a node is emptied before its machine goes."""

import time
from collections.abc import Callable, Mapping, Sequence

from domain.cloud import Instance
from domain.cluster_api import ClusterApi, Manifest, Pod
from domain.ensured import Ensured
from domain.errors import FinalError, InvalidSpec, NotFound, WaitTimedOut
from domain.names import MASTERS, NODES, node_name
from domain.spec import Nodes
from domain.waiting import Clock, Pace, wait_for

DRAIN_DEADLINE = 360.0
"""Seconds for all pods of a node to leave; afterwards the node is given back."""

CORDONED = "k8s-qingcloud/cordoned"
"""Annotation of a node that we have cordoned; a cordon without it is a person's, and stays."""


def check_count(group: str, count: int, bounds: Nodes) -> None:
    """Refuse a size that the group may not have. Raises `InvalidSpec`."""
    if group == MASTERS:
        raise InvalidSpec(f"{MASTERS} has one machine for now; only {NODES} can be scaled")
    if group != NODES:
        raise InvalidSpec(f"there is no group {group!r}; {NODES} can be scaled")
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


def check_hand_made(group: str, machines: Sequence[str]) -> None:
    """Refuse to choose who leaves while machines are there that somebody made by hand.

    Args:
        machines: ids of those that carry the group's name, and neither our key nor our trust.

    Raises:
        InvalidSpec: there are some.
    """
    if machines:
        raise InvalidSpec(
            f"{', '.join(machines)} in {group} were made by hand and are never removed; rename or "
            "terminate them first, so that it is clear which machines shall stay"
        )


def cordon(api: ClusterApi, node: str) -> None:
    """Let a node take no more pods, and note on it that it was us. Raises `NotFound`."""
    if not _is_schedulable(_read_node(api, node)):
        return
    api.annotate_node(node, {CORDONED: "true"})
    api.set_schedulable(node, False)


def give_back(api: ClusterApi, node: str) -> bool:
    """Take our cordon back; whether the node takes pods now. Raises `NotFound`."""
    seen = _read_node(api, node)
    if CORDONED not in (seen["metadata"].get("annotations") or {}):
        return _is_schedulable(seen)
    api.set_schedulable(node, True)
    api.annotate_node(node, {CORDONED: None})
    return True


def _read_node(api: ClusterApi, node: str) -> Manifest:
    seen = api.read("Node", node)
    if seen is None:
        raise NotFound(f"{node} is no node")
    return seen


def _is_schedulable(node: Manifest) -> bool:
    return not (node.get("spec") or {}).get("unschedulable")


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
    node is given back, for it keeps what it still runs.

    Args:
        deadline: seconds.
        objection: asked at each look; words end the drain at once.

    Raises:
        WaitTimedOut: names the pods that did not leave.
        FinalError: there was an objection.
    """
    pace = Pace(timeout=deadline, interval=0.5, longest=5.0)
    try:
        cordon(api, node)
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
                f"{node} is given back with {len(pods)} pods left on it, because {words}"
            )
        moved.update(pod.uid for pod in pods if pod.uid not in moved and api.evict(pod))
        return None if pods else True

    try:
        wait_for(empty, what=f"{node} empty", pace=pace, clock=clock)
    except WaitTimedOut as error:
        state = "takes pods again" if give_back(api, node) else "stays cordoned, as it was before"
        raise WaitTimedOut(
            f"{node} could not be emptied within {pace.timeout:g} s, because these pods did not "
            f"leave: {first_of(stuck)}; it {state}. Look at their disruption "
            "budgets, then run the same command again"
        ) from error
    except BaseException:
        give_back(api, node)
        raise
    return Ensured(None, f"{len(moved)} pods moved")


def check_emptied(api: ClusterApi, node: str) -> None:
    """Make sure that nobody has given the node back since it was emptied; its machine goes next.

    Another evaluator may, when this one was silent for longer than its Lease is valid.

    Raises:
        FinalError: the node takes pods, or runs some.
    """
    seen = api.read("Node", node)
    if seen is None:
        return
    if _is_schedulable(seen):
        raise FinalError(f"{node} keeps its machine, because somebody lets it take pods again")
    if back := [pod for pod in api.list_pods(node=node) if _must_leave(pod)]:
        names = first_of([f"{pod.namespace}/{pod.name}" for pod in back])
        raise FinalError(f"{node} keeps its machine, because pods run on it again: {names}")


def first_of(names: Sequence[str], most: int = 5) -> str:
    """Name the first few and count the others: `a, b, c, d, e and 4 more`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _must_leave(pod: Pod) -> bool:
    return pod.is_workload and not pod.is_finished

"""Emptying a node before its machine is terminated."""

import time
from collections.abc import Callable, Sequence

from domain.cluster.api import ClusterApi, Manifest, Pod
from domain.kernel.ensured import Ensured
from domain.kernel.errors import FinalError, NotFound, WaitTimedOut
from domain.kernel.texts import first_of
from domain.kernel.waiting import Clock, Pace, wait_for

DRAIN_DEADLINE = 360.0
"""Seconds for all pods of a node to leave; afterwards the node is uncordoned."""

CORDONED = "k8s-qingcloud/cordoned"
"""Annotation of a node that we have cordoned; a cordon without it is a user's, and stays."""


def cordon(api: ClusterApi, node: str) -> None:
    """Cordon a node, and mark the cordon as ours. Raises `NotFound`."""
    if not is_schedulable(_read_node(api, node)):
        return
    api.annotate_node(node, {CORDONED: "true"})
    api.cordon_marked(node, CORDONED)


def uncordon(api: ClusterApi, node: str) -> bool:
    """Remove our cordon. Returns: whether the node is schedulable afterwards.

    Raises:
        NotFound: there is no such node.
    """
    seen = _read_node(api, node)
    if CORDONED not in (seen["metadata"].get("annotations") or {}):
        return is_schedulable(seen)
    api.set_schedulable(node, True)
    api.annotate_node(node, {CORDONED: None})
    return True


def _read_node(api: ClusterApi, node: str) -> Manifest:
    seen = api.read("Node", node)
    if seen is None:
        raise NotFound(f"{node} is not a node")
    return seen


def is_schedulable(node: Manifest) -> bool:
    return not (node.get("spec") or {}).get("unschedulable")


def drain(
    api: ClusterApi,
    node: str,
    on_progress: Callable[[str], None],
    deadline: float = DRAIN_DEADLINE,
    clock: Clock = time,
    objection: Callable[[], str] = lambda: "",
) -> Ensured[None]:
    """Cordon a node and evict its workload pods; DaemonSet and mirror pods stay.

    Evictions respect disruption budgets, so this can take long. When it fails, the node is
    uncordoned, because it keeps the pods that it still runs. A node whose kubelet does not report
    is not emptied: its pods serve nobody, and no pod of it would end. They are replaced when the
    node is deleted.

    Args:
        deadline: seconds.
        objection: called at each look; a reason ends the drain at once.

    Raises:
        WaitTimedOut: names the pods that did not leave.
        FinalError: there was an objection.
    """
    pace = Pace(timeout=deadline, interval=0.5, longest=5.0)
    moved: set[str] = set()
    refused: list[str] = []
    ending: list[str] = []

    def left() -> list[Pod]:
        return [pod for pod in api.list_pods(node=node) if must_leave(pod)]

    def empty() -> str | None:
        seen = api.read("Node", node)
        if seen is None:
            return f"{node} is not a node any more"
        if not answers(seen):
            return f"its kubelet does not report, so its {len(left())} pods are not waited for"
        pods = left()
        on_progress(f"{len(pods)} pods left")
        if pods and (words := objection()):
            raise FinalError(
                f"{node} is uncordoned with {len(pods)} pods left on it, because {words}"
            )
        asked = [pod for pod in pods if pod.uid not in moved]
        moved.update(pod.uid for pod in asked if api.evict(pod))
        refused[:] = [_name(pod) for pod in pods if pod.uid not in moved]
        ending[:] = [_name(pod) for pod in pods if pod.uid in moved]
        return None if pods else f"{len(moved)} pods moved"

    try:
        cordon(api, node)
    except NotFound:
        return Ensured(None, f"{node} is not a node")
    try:
        did = wait_for(empty, what=f"{node} empty", pace=pace, clock=clock)
    except WaitTimedOut as error:
        state = "accepts pods again" if uncordon(api, node) else "stays cordoned, as before"
        raise WaitTimedOut(
            f"{node} could not be emptied within {pace.timeout:g} s: "
            f"{_why_they_stay(refused, ending)}; it {state}. Then run the same command again"
        ) from error
    except BaseException:
        uncordon(api, node)
        raise
    return Ensured(None, did)


def leave_to_its_end(api: ClusterApi, node: str, why: str) -> Ensured[None]:
    """Cordon the node of a broken machine, whose pods are neither evicted nor waited for.

    They serve nobody, and are replaced when the node is deleted.
    """
    try:
        cordon(api, node)
    except NotFound:
        return Ensured(None, f"{node} is not a node")
    left = sum(1 for pod in api.list_pods(node=node) if must_leave(pod))
    return Ensured(None, f"{why}, so its {left} pods are not waited for")


def _name(pod: Pod) -> str:
    return f"{pod.namespace}/{pod.name}"


def _why_they_stay(refused: Sequence[str], ending: Sequence[str]) -> str:
    """Name the pods that did not leave, by the cause, each with what can be done."""
    parts = []
    if refused:
        parts.append(
            f"disruption budgets do not allow the eviction of {first_of(refused)} "
            "(give their workload more ready pods, or relax the budget)"
        )
    if ending:
        parts.append(
            f"{first_of(ending)} were evicted and do not end (look at their grace period and "
            "finalizers)"
        )
    return "; ".join(parts) or "its pods could not be read"


def answers(node: Manifest) -> bool:
    """Whether the node's kubelet reports; when it does not, Kubernetes ends no pod of the node."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return all(one["status"] != "Unknown" for one in conditions if one["type"] == "Ready")


def must_leave(pod: Pod) -> bool:
    return pod.is_workload and not pod.is_finished

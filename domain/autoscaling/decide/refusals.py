"""Why a machine may not be removed: its origin, the state of its node, its pods."""

from collections.abc import Sequence

from domain.autoscaling.decide.scene import Member, Scene
from domain.autoscaling.decision import Note, Reason
from domain.autoscaling.see.readings import values_after_removal
from domain.autoscaling.see.snapshot import Budget, SeenNode, SeenPod
from domain.node.exempt import is_exempt
from domain.spec.metrics import PODS

SYSTEM = "kube-system"


def find_refusal(scene: Scene, member: Member, *, forced: bool) -> Note | None:
    """Find a reason against removing a machine, apart from the places of its pods.

    Args:
        forced: remove it even if a rule would add one again.

    Returns: None where there is no reason.
    """
    machine, node = member.machine, member.node
    if node is None:
        return Note(Reason.MACHINE_WITHOUT_NODE, machine.id)
    if not machine.ours or node.group != scene.policy.group:
        return Note(Reason.HAND_MADE, node.name)
    if is_exempt((machine.id, node.name), node.labels, scene.policy.exempt):
        return Note(Reason.EXEMPT, node.name)
    if node.removal_disabled:
        return Note(Reason.REMOVAL_DISABLED, node.name)
    if not node.ready:
        return Note(Reason.NOT_READY, node.name)
    if until := scene.memory.stuck.get(node.name):
        return Note(Reason.DRAIN_FAILED, node.name, f"until {until:%H:%M:%S %Z}")
    if not node.schedulable:
        return Note(Reason.CORDONED, node.name)
    stuck = _find_stuck_pod(scene, node)
    return stuck or (None if forced else _find_rule_that_would_add(scene, node))


def _find_stuck_pod(scene: Scene, node: SeenNode) -> Note | None:
    """Find a pod that must not or cannot be evicted, by cluster-autoscaler's rules."""
    for pod in node.pods:
        if not pod.is_workload or pod.leaving:
            continue
        covering = [budget for budget in scene.snapshot.budgets if budget.covers(pod)]
        reason = _why_stuck(pod, covering)
        if reason:
            return Note(reason, node.name, pod.title)
    return None


def _why_stuck(pod: SeenPod, covering: Sequence[Budget]) -> Reason | None:
    # The API server refuses these evictions, whatever the annotations allow; but no budget counts
    # for a pod that has not started.
    if not pod.starting:
        if len(covering) > 1:
            return Reason.BUDGETS_OVERLAP
        if any(budget.forbids(pod) for budget in covering):
            return Reason.BUDGET_USED_UP
    if pod.safe_to_evict is not None:
        return None if pod.safe_to_evict else Reason.POD_UNSAFE
    if not pod.owner:
        return Reason.POD_ALONE
    if pod.local_storage:
        return Reason.POD_KEEPS_DATA
    if pod.namespace == SYSTEM and not covering:
        return Reason.POD_OF_SYSTEM
    return None


def _find_rule_that_would_add(scene: Scene, node: SeenNode) -> Note | None:
    for rule, values in scene.values.items():
        most = float(scene.pods_per_node) if rule.metric == PODS else None
        after = [v for v in values_after_removal(rule, values, node.name, most) if rule.holds(v)]
        if rule.adds and after:
            return Note(Reason.RULE_WOULD_ADD, node.name, f"{rule.title}, {after[0]:.4g} then")
    return None


def moving_pods(scene: Scene, node: SeenNode) -> list[SeenPod]:
    """The pods that need another node when this one is removed."""
    return [pod for pod in node.pods if pod.must_move(scene.policy.least_priority)]

"""Whether one machine may leave, which, and if none may, why not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from domain.autoscaling.decision import Basis, Hold, Note, Reason, ScaleIn
from domain.autoscaling.policy import Choice, MetricRule
from domain.autoscaling.readings import values_after_removal
from domain.autoscaling.scene import Member, Scene
from domain.autoscaling.snapshot import Budget, SeenNode, SeenPod
from domain.metrics.catalog import PODS

MOST_TRIALS = 10
"""Machines for whose pods a place is sought in one evaluation; the rest waits for the next."""

SYSTEM = "kube-system"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What asks for less; `rules` are those that remove, if it is rules."""

    reason: Reason
    detail: str
    rules: tuple[MetricRule, ...] = ()


def decide_removal(scene: Scene, idle_since: dict[str, datetime]) -> ScaleIn | Hold | None:
    """Remove one machine, if something asks for less and nothing speaks against it.

    Args:
        idle_since: by node, since when little has been asked of it.

    Returns: None where nothing asks for less.
    """
    trigger = _trigger(scene, idle_since)
    if trigger is None:
        return None
    veto = next(_vetoes(scene, trigger), None)
    if veto:
        return _hold(scene, veto, ())
    chosen, refusals = _choose(scene, trigger, idle_since)
    if chosen is None:
        first = refusals[0]
        words = f"{first.about} ({first.detail})" if first.detail else first.about
        return _hold(scene, Note(first.reason, words), refusals)
    basis = _basis(scene, trigger.reason, trigger.detail, refusals)
    return ScaleIn(basis, chosen.machine.id, chosen.machine.node)


def find_idle(scene: Scene) -> dict[str, datetime]:
    """Since when little has been asked of nodes, those of which it is true now."""
    low = scene.policy.low_use
    if low is None:
        return {}
    places = {place.name: place for place in scene.room.places}
    idle: dict[str, datetime] = {}
    for node in scene.measured:
        place = places.get(node.name)
        if place is None:
            continue
        used = [node.count_workload() / scene.pods_per_node]
        has = node.allocatable
        if has.cpu_millis:
            used.append(1 - place.cpu / has.cpu_millis)
        if has.memory_bytes:
            used.append(1 - place.memory / has.memory_bytes)
        if max(used) < low.share:
            idle[node.name] = scene.memory.idle_since.get(node.name, scene.snapshot.time)
    return idle


def _trigger(scene: Scene, idle_since: dict[str, datetime]) -> Trigger | None:
    if scene.size > scene.bounds.maximum:
        return Trigger(Reason.ABOVE_MAXIMUM, str(scene.bounds.maximum))
    firing = tuple(
        rule for rule, reading in scene.readings.items() if reading.fires and not rule.adds
    )
    if firing:
        detail = "; ".join(scene.readings[rule].words for rule in firing)
        return Trigger(Reason.RULE_REMOVES, detail, firing)
    long_enough = _idle_long_enough(scene, idle_since)
    if long_enough:
        name = min(long_enough, key=lambda name: idle_since[name])
        seconds = (scene.snapshot.time - idle_since[name]).total_seconds()
        return Trigger(Reason.LOW_USE, f"{name} for {seconds:.0f} s")
    return None


def _idle_long_enough(scene: Scene, idle_since: dict[str, datetime]) -> set[str]:
    low = scene.policy.low_use
    if low is None:
        return set()
    now = scene.snapshot.time
    return {
        name for name, since in idle_since.items() if (now - since).total_seconds() >= low.seconds
    }


def _vetoes(scene: Scene, trigger: Trigger) -> Iterator[Note]:
    """Reasons of the whole group against any removal, the plainest first."""
    forced = trigger.reason is Reason.ABOVE_MAXIMUM
    if not forced and scene.size <= scene.bounds.minimum:
        yield Note(Reason.AT_MINIMUM, str(scene.bounds.minimum))
    if scene.booting:
        yield Note(Reason.MACHINES_BOOT, str(scene.booting))
    if scene.leaving:
        yield Note(Reason.REMOVAL_UNDER_WAY, ", ".join(m.node for m in scene.leaving[:5]))
    if scene.packed is None or scene.hopeful:
        room = scene.packed is not None and not scene.packed.machines
        yield Note(Reason.ROOM_IS_THERE if room else Reason.PODS_WAIT, f"{scene.hopeful}")
    share = len(scene.not_ready) / max(1, len(scene.settled))
    if share > scene.policy.most_not_ready:
        yield Note(Reason.MANY_NOT_READY, f"{len(scene.not_ready)} of {len(scene.settled)}")
    left = _cooling(scene)
    if left > 0:
        yield Note(Reason.COOLING_IN, f"{left:.0f} s left")
    if trigger.rules and not any(_window_is_full(scene, rule) for rule in trigger.rules):
        yield Note(Reason.NODES_CHANGED, trigger.detail)
    if not forced:
        yield from _unreadable(scene)
        yield from _lesson(scene)


def _cooling(scene: Scene) -> float:
    memory = scene.memory
    acts = [act.at for act in (memory.last_out, memory.last_in) if act]
    since = max([*acts, memory.watching_since or scene.snapshot.time])
    return scene.policy.cooldown_in_seconds - (scene.snapshot.time - since).total_seconds()


def _window_is_full(scene: Scene, rule: MetricRule) -> bool:
    since = scene.memory.nodes_since or scene.snapshot.time
    return (scene.snapshot.time - since).total_seconds() >= rule.window_seconds


def _unreadable(scene: Scene) -> Iterator[Note]:
    for rule, reading in scene.readings.items():
        if rule.adds and reading.obstacle in (Reason.SAMPLES_MISSING, Reason.UNKNOWN_METRIC):
            yield Note(Reason.RULE_UNREADABLE, reading.words)


def _lesson(scene: Scene) -> Iterator[Note]:
    lesson = scene.memory.lesson
    if (
        lesson
        and scene.snapshot.time < lesson.until
        and scene.size - 1 <= lesson.size
        and scene.pods >= lesson.pods
    ):
        words = f"{lesson.size} machines, {lesson.pods} pods; until {lesson.until:%H:%M}"
        yield Note(Reason.CAME_BACK_BEFORE, words)


def _choose(
    scene: Scene, trigger: Trigger, idle_since: dict[str, datetime]
) -> tuple[Member | None, list[Note]]:
    """Take the first machine, in the policy's order, that nothing speaks against.

    Returns: the machine, or None; and why each one before it may not leave.
    """
    candidates = scene.members
    if trigger.reason is Reason.LOW_USE:
        idle = _idle_long_enough(scene, idle_since)
        candidates = [m for m in candidates if m.node and m.node.name in idle]
    refusals: list[Note] = []
    trials = 0
    orphan = _find_orphan_without_place(scene)
    for member in _in_order(candidates, scene.policy.remove_first):
        refusal = _refuse_cheaply(scene, member, forced=trigger.reason is Reason.ABOVE_MAXIMUM)
        if refusal is None and member.node:
            if trials == MOST_TRIALS:
                break
            trials += 1
            homeless = orphan or scene.room.find_homeless(member.node.name)
            if homeless is None:
                return member, refusals
            refusal = Note(Reason.POD_HAS_NO_PLACE, member.node.name, homeless.title)
        if refusal and len(refusals) < 20:
            refusals.append(refusal)
    return None, refusals


def _in_order(members: Sequence[Member], choice: Choice) -> list[Member]:
    oldest = sorted(members, key=lambda m: (m.machine.created_at, m.machine.id))
    if choice is Choice.OLDEST:
        return oldest
    newest = oldest[::-1]
    if choice is Choice.NEWEST:
        return newest
    return sorted(newest, key=lambda m: m.node.count_workload() if m.node else 0)


def _refuse_cheaply(scene: Scene, member: Member, *, forced: bool) -> Note | None:
    machine, node = member.machine, member.node
    if node is None:
        return Note(Reason.MACHINE_WITHOUT_NODE, machine.id)
    if not machine.ours or node.group != scene.policy.group:
        return Note(Reason.HAND_MADE, node.name)
    if any(fnmatchcase(name, p) for p in scene.policy.exempt for name in (machine.id, node.name)):
        return Note(Reason.EXEMPT, node.name)
    if node.removal_disabled:
        return Note(Reason.REMOVAL_DISABLED, node.name)
    if not node.ready:
        return Note(Reason.NOT_READY, node.name)
    if node.name in scene.memory.stuck:
        return Note(Reason.DRAIN_FAILED, node.name)
    if not node.schedulable:
        return Note(Reason.CORDONED, node.name)
    stuck = _find_stuck_pod(node, scene.snapshot.budgets)
    return stuck or (None if forced else _find_rule_that_would_add(scene, node))


def _find_stuck_pod(node: SeenNode, budgets: Sequence[Budget]) -> Note | None:
    """A pod that must not, or cannot, be evicted, by cluster-autoscaler's rules."""
    for pod in _moving(node):
        covering = [budget for budget in budgets if budget.covers(pod)]
        reason = _why_stuck(pod, covering)
        if reason:
            return Note(reason, node.name, pod.title)
    return None


def _why_stuck(pod: SeenPod, covering: Sequence[Budget]) -> Reason | None:
    # Whatever the annotations say, the API server refuses these evictions.
    if len(covering) > 1:
        return Reason.BUDGETS_OVERLAP
    if any(budget.allowed < 1 for budget in covering):
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


def _find_orphan_without_place(scene: Scene) -> SeenPod | None:
    """Give the pods of NotReady nodes places first: they may need them any moment."""
    down = set(scene.not_ready)
    orphans = [p for n in scene.snapshot.nodes if n.name in down for p in _moving(n)]
    left = scene.room.put(orphans)
    return left[0] if left else None


def _moving(node: SeenNode) -> list[SeenPod]:
    return [pod for pod in node.pods if pod.is_workload]


def _hold(scene: Scene, veto: Note, refusals: Sequence[Note]) -> Hold:
    return Hold(_basis(scene, veto.reason, veto.about, refusals))


def _basis(scene: Scene, reason: Reason, detail: str, refusals: Sequence[Note]) -> Basis:
    readings = tuple(scene.readings.values())
    notes = (*refusals, *scene.notes)
    return Basis(reason, scene.size, scene.booting, detail, readings, notes)

"""Whether a machine is removed and which one; if none, why not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.autoscaling.decide.refusals import find_refusal, moving_pods
from domain.autoscaling.decide.scene import Member, Scene
from domain.autoscaling.decision import Hold, Note, Reason, ScaleIn
from domain.autoscaling.see.snapshot import SeenNode, SeenPod
from domain.spec.scaling import Choice, MetricRule

FIRST_CHOICES = 10
MOST_LOOKS = 50
"""Machines that one evaluation checks: the first choices, and a part of the others in turn."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What wants a smaller group; `rules` are the firing rules that remove, if any."""

    reason: Reason
    detail: str
    rules: tuple[MetricRule, ...] = ()


def decide_removal(scene: Scene, idle_since: dict[str, datetime]) -> ScaleIn | Hold | None:
    """Remove one machine, if something wants a smaller group and nothing forbids it.

    Args:
        idle_since: by node, since when its use has been low.

    Returns: a hold where the removal is forbidden; None where nothing wants a smaller group.
    """
    trigger = _trigger(scene, idle_since)
    if trigger is None:
        return None
    veto = next(_vetoes(scene, trigger), None)
    if veto:
        return scene.hold(veto.reason, f"{veto.about}; {trigger.detail}")
    chosen, refusals = _choose(scene, trigger, idle_since)
    if chosen is None:
        first, more = refusals[0], len(refusals) - 1
        words = f"{first.about} ({first.detail})" if first.detail else first.about
        words += f", and {more} more may not leave either" if more else ""
        return scene.hold(first.reason, words, refusals)
    detail = trigger.detail
    if trigger.reason is Reason.LOW_USE:
        detail = _idle_words(scene, chosen.machine.node, idle_since)
    basis = scene.basis(trigger.reason, detail, refusals)
    return ScaleIn(basis, chosen.machine.id, chosen.machine.node)


def find_idle(scene: Scene) -> dict[str, datetime]:
    """By node whose use is low now, since when it has been low."""
    low = scene.policy.low_use
    if low is None:
        return {}
    places = {place.name for place in scene.room.places}
    return {
        node.name: scene.memory.idle_since.get(node.name, scene.snapshot.time)
        for node in scene.measured
        if node.name in places and _share_used(scene, node) < low.share
    }


def _share_used(scene: Scene, node: SeenNode) -> float:
    """The largest share of its places, cpu and memory that pods have or request."""
    has, pods = node.allocatable, node.pods
    used = [node.count_workload() / scene.pods_per_node]
    if has.cpu_millis:
        used.append(sum(pod.requests.cpu_millis for pod in pods) / has.cpu_millis)
    if has.memory_bytes:
        used.append(sum(pod.requests.memory_bytes for pod in pods) / has.memory_bytes)
    return max(used)


def _idle_words(scene: Scene, name: str, idle_since: dict[str, datetime]) -> str:
    node = next(node for node in scene.measured if node.name == name)
    seconds = scene.seconds_since(idle_since[name])
    low = scene.policy.low_use
    limit = f"{low.share:.0%}" if low else ""
    share = _share_used(scene, node)
    return f"{name}, {share:.0%} of its places, cpu or memory, below {limit} for {seconds:.0f} s"


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
        name = min(long_enough, key=lambda name: (idle_since[name], name))
        return Trigger(Reason.LOW_USE, _idle_words(scene, name, idle_since))
    return None


def _idle_long_enough(scene: Scene, idle_since: dict[str, datetime]) -> set[str]:
    low = scene.policy.low_use
    if low is None:
        return set()
    return {name for name, at in idle_since.items() if scene.seconds_since(at) >= low.seconds}


def _vetoes(scene: Scene, trigger: Trigger) -> Iterator[Note]:
    """Yield the reasons against any removal from the group, the most basic first."""
    forced = trigger.reason is Reason.ABOVE_MAXIMUM
    # A node that is NotReady may stay so, and does not count here.
    if scene.size - len(scene.not_ready) <= scene.bounds.minimum:
        yield Note(Reason.AT_MINIMUM, str(scene.bounds.minimum))
    if scene.booting:
        yield Note(Reason.MACHINES_BOOT, str(scene.booting))
    if scene.leaving:
        yield Note(Reason.REMOVAL_UNDER_WAY, ", ".join(m.node for m in scene.leaving[:5]))
    if scene.packed is None or scene.placeable:
        room = scene.packed is not None and not scene.packed.machines
        words = scene.waiting_text
        yield Note(Reason.ROOM_IS_THERE if room else Reason.PODS_WAIT, words)
    if scene.waiting.arriving:
        yield Note(Reason.ARRIVED, f"{scene.waiting.arriving} pods")
    if scene.share_down > scene.policy.most_not_ready:
        yield Note(Reason.MANY_NOT_READY, scene.down_text)
    left = _cooling(scene)
    if left > 0:
        yield Note(Reason.COOLING_IN, f"{left:.0f} s left")
    if trigger.rules and not any(_window_is_full(scene, rule) for rule in trigger.rules):
        yield Note(Reason.NODES_CHANGED, f"at {scene.memory.nodes_since:%H:%M:%S %Z}")
    if not forced:
        yield from _unreadable(scene)
        yield from _lesson(scene)


def _cooling(scene: Scene) -> float:
    memory = scene.memory
    acts = [act.at for act in (memory.last_out, memory.last_in) if act]
    since = max([*acts, memory.watching_since or scene.snapshot.time])
    return scene.policy.cooldown_in_seconds - scene.seconds_since(since)


def _window_is_full(scene: Scene, rule: MetricRule) -> bool:
    since = scene.memory.nodes_since or scene.snapshot.time
    return scene.seconds_since(since) >= rule.window_seconds


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
        words = f"{lesson.size} machines, {lesson.pods} pods; until {lesson.until:%H:%M %Z}"
        yield Note(Reason.CAME_BACK_BEFORE, words)


def _choose(
    scene: Scene, trigger: Trigger, idle_since: dict[str, datetime]
) -> tuple[Member | None, list[Note]]:
    """Choose the first machine, in the policy's order, that may be removed.

    Returns: the machine or None, and the refusal of each one before it.
    """
    candidates = scene.members
    if trigger.reason is Reason.LOW_USE:
        idle = _idle_long_enough(scene, idle_since)
        candidates = [m for m in candidates if m.node and m.node.name in idle]
    refusals: list[Note] = []
    displaced = _find_displaced(scene)
    in_order = _in_order(candidates, scene.policy.remove_first)
    for member in _some_in_turn(in_order, scene.snapshot.time):
        refusal = find_refusal(scene, member, forced=trigger.reason is Reason.ABOVE_MAXIMUM)
        if refusal is None and member.node:
            infeasible = displaced or _find_infeasible(scene, member.node.name)
            if infeasible is None:
                return member, refusals
            refusal = Note(Reason.POD_HAS_NO_PLACE, member.node.name, infeasible.title)
        if refusal and len(refusals) < 20:
            refusals.append(refusal)
    return None, refusals


def _find_infeasible(scene: Scene, node: str) -> SeenPod | None:
    return scene.room.find_infeasible(node, scene.policy.least_priority)


def _in_order(members: Sequence[Member], choice: Choice) -> list[Member]:
    oldest = sorted(members, key=lambda m: (m.machine.created_at, m.machine.id))
    if choice is Choice.OLDEST:
        return oldest
    newest = oldest[::-1]
    if choice is Choice.NEWEST:
        return newest
    return sorted(newest, key=lambda m: m.node.count_workload() if m.node else 0)


def _some_in_turn(members: Sequence[Member], now: datetime) -> Sequence[Member]:
    """All of a small group; of a large one a part, so that each is checked within about an hour."""
    if len(members) <= MOST_LOOKS:
        return members
    rest, others = members[FIRST_CHOICES:], MOST_LOOKS - FIRST_CHOICES
    start = int(now.timestamp() // 60) * others % len(rest)
    return [*members[:FIRST_CHOICES], *[*rest, *rest][start : start + others]]


def _find_displaced(scene: Scene) -> SeenPod | None:
    """Put the pods of failed nodes first, which may need the room at any moment.

    Returns: one that finds no node, or None.
    """
    down = {*scene.not_ready, *(member.machine.node for member in scene.broken)}
    down |= {node.name for node in scene.lost_nodes}
    displaced = [p for n in scene.snapshot.nodes if n.name in down for p in moving_pods(scene, n)]
    left = scene.room.put(displaced)
    return left[0] if left else None

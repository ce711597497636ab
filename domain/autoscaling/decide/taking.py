"""Whether pods took the machines that were bought for them, and the lesson where they did not.

A machine that was bought for a pod, and that this pod then did not take, is not bought again for
pods like it. It may lack what its template promised, or the scheduler may have a reason that the
model does not know. Once one pod more of the kind runs in the group, the lesson is dropped.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from domain.autoscaling.decide.scene import Scene
from domain.autoscaling.decision import Decision, ScaleOut
from domain.autoscaling.fit.place import Misfit, empty_place_of_node
from domain.autoscaling.memory.memory import LAUNCH_SECONDS, Memory
from domain.autoscaling.memory.pods import (
    FORGOTTEN,
    LONGEST_WHY,
    MOST_PODS,
    MOST_PURCHASES,
    NotTaken,
    Purchase,
    kind_of,
    sample,
)
from domain.autoscaling.see.snapshot import SeenNode, SeenPod

GRACE = timedelta(seconds=60)
"""A node that has just become Ready may still lose taints and get labels."""

PATIENCE = timedelta(seconds=120)
"""How long a pod may wait although there is room, before the scheduler is believed."""

EARLY = timedelta(seconds=10)
"""The clocks of two machines differ by less than this, after conversion."""

_BY_OTHERS = (Misfit.SPREAD, Misfit.NEIGHBOURS)


def learn_of_pods(scene: Scene) -> Memory:
    """Return the memory with what has become known of pods and purchases since the last one."""
    memory = scene.memory
    if not (memory.purchases or memory.not_taken or memory.puzzles):
        return memory
    purchases, fresh = [], _puzzled(scene)
    for purchase in memory.purchases:
        kept, learned = _judge(scene, purchase)
        fresh |= learned
        purchases += [kept] if kept else []
    running = _count_running(scene, fresh)
    lessons = dict(_still_valid(scene, running)) | {
        kind: replace(lesson, running=running[kind]) for kind, lesson in fresh.items()
    }
    latest = sorted(lessons, key=lambda kind: lessons[kind].seen)[-MOST_PODS:]
    return replace(
        memory,
        purchases=tuple(purchases),
        not_taken={kind: lessons[kind] for kind in latest},
    )


def note_pods(memory: Memory, scene: Scene, decision: Decision) -> Memory:
    """Return the memory with the pods that machines are bought for, and those that puzzle."""
    packed, now = scene.packed, scene.snapshot.time
    if packed is None:
        return memory
    puzzles = {title: memory.puzzles.get(title, now) for title in sample(packed.roomy)}
    memory = replace(memory, puzzles=puzzles)
    if isinstance(decision, ScaleOut) and packed.bought_for:
        bought = Purchase(now, decision.add, sample(packed.bought_for))
        memory = replace(memory, purchases=(*memory.purchases, bought)[-MOST_PURCHASES:])
    return memory


def _count_running(scene: Scene, fresh: Mapping[str, NotTaken]) -> Counter[str]:
    """How many pods of the kinds with a lesson run in the group."""
    lessons = {**scene.memory.not_taken, **fresh}
    if not lessons:
        return Counter()
    places = {lesson.pod.partition("/")[0] for lesson in lessons.values()}
    return Counter(
        kind_of(pod)
        for node in scene.snapshot.nodes
        if node.group == scene.policy.group
        for pod in node.pods
        if pod.namespace in places and pod.is_workload and not pod.starting
    )


def _still_valid(scene: Scene, running: Mapping[str, int]) -> Iterator[tuple[str, NotTaken]]:
    """The lessons of whose kind no pod more runs by now, and that were not away for long."""
    known, now = scene.memory.not_taken, scene.snapshot.time
    waiting = {kind_of(pod) for pod in scene.snapshot.pending} if known else set()
    for kind, lesson in known.items():
        seen = now if kind in waiting else lesson.seen
        if running[kind] <= lesson.running and now - seen < FORGOTTEN:
            yield kind, replace(lesson, seen=seen)


def _judge(scene: Scene, purchase: Purchase) -> tuple[Purchase | None, Mapping[str, NotTaken]]:
    """Compare the machines of a purchase with its pods.

    Returns: the purchase, or None once it is settled; and the lessons by kind.
    """
    now = scene.snapshot.time
    fresh = [m for m in scene.members if m.machine.created_at >= purchase.at - EARLY]
    booting = {machine.id for machine in scene.booting_machines}
    if any(member.machine.id in booting for member in fresh) or (
        not fresh and now - purchase.at < timedelta(seconds=LAUNCH_SECONDS)
    ):
        return purchase, {}
    nodes = [m.node for m in fresh if m.node and m.node.ready]
    waiting = {pod.title: pod for pod in scene.snapshot.pending if pod.title in purchase.pods}
    suspects = {
        title: why
        for title, pod in waiting.items()
        if (why := _why_not_taken(scene, pod, nodes, purchase.machines))
    }
    if not suspects:
        return None, {}
    arrived = purchase.arrived or now
    if now - arrived < GRACE:
        left = {title: purchase.pods[title] for title in suspects}
        return replace(purchase, pods=left, arrived=arrived), {}
    return None, {
        purchase.pods[title]: NotTaken(title, why[:LONGEST_WHY], now)
        for title, why in suspects.items()
    }


def _why_not_taken(scene: Scene, pod: SeenPod, nodes: Sequence[SeenNode], machines: int) -> str:
    """Why new nodes cannot hold a pod, even if they were empty.

    Returns: an empty text where all the machines came as promised, so that other pods have taken
        them, or where the pod fits one now.
    """
    misfits = {node.name: _misfit_as_it_came(scene, pod, node) for node in nodes}
    well = [name for name, misfit in misfits.items() if misfit is None]
    if len(well) >= machines or any(_fits_now(scene, pod, name) for name in well):
        return ""
    return next((f"{name} came, but {misfit}" for name, misfit in misfits.items() if misfit), "")


def _misfit_as_it_came(scene: Scene, pod: SeenPod, node: SeenNode) -> Misfit | None:
    empty = empty_place_of_node(node)
    misfit = empty.lacks(pod) or empty.admits(pod)
    if misfit or any(one.is_workload for one in node.pods):
        return misfit
    place = scene.room.find(node.name)
    beside = scene.room.misfit(pod, place) if place else None
    return beside if beside in _BY_OTHERS else None


def _fits_now(scene: Scene, pod: SeenPod, node: str) -> bool:
    place = scene.room.find(node)
    return place is not None and scene.room.misfit(pod, place) is None


def _puzzled(scene: Scene) -> dict[str, NotTaken]:
    """Lessons of pods that have waited for long although the model knows room for them."""
    now = scene.snapshot.time
    late = {title for title, since in scene.memory.puzzles.items() if now - since >= PATIENCE}
    return {
        kind_of(pod): NotTaken(pod.title, "the scheduler does not use the room for it", now)
        for pod in scene.snapshot.pending
        if pod.title in late
    }

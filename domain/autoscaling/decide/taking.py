"""Whether pods took the machines that were bought for them, and the lesson where they did not.

A machine that was bought for a pod, and that this pod then did not take, is not bought again for
pods like it. It may lack what its template promised, or the scheduler may have a reason that the
model does not know. Once such a pod runs on a node of the group, the lesson is dropped.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from domain.autoscaling.decide.scene import LAUNCH_SECONDS, Scene
from domain.autoscaling.decision import Decision, ScaleOut
from domain.autoscaling.fit.place import Misfit, empty_place_of_node
from domain.autoscaling.memory.memory import Memory
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
    lessons = dict(_still_valid(scene))
    purchases = []
    for purchase in memory.purchases:
        kept, learned = _judge(scene, purchase)
        lessons |= learned
        purchases += [kept] if kept else []
    lessons |= _puzzled(scene)
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
        bought = Purchase(now, sample(packed.bought_for))
        memory = replace(memory, purchases=(*memory.purchases, bought)[-MOST_PURCHASES:])
    return memory


def _still_valid(scene: Scene) -> Iterator[tuple[str, NotTaken]]:
    """The lessons whose pods neither run by now nor were away for long."""
    known, now = scene.memory.not_taken, scene.snapshot.time
    if not known:
        return
    places = {lesson.pod.partition("/")[0] for lesson in known.values()}
    running = {
        kind_of(pod)
        for node in scene.snapshot.nodes
        if node.group == scene.policy.group
        for pod in node.pods
        if pod.namespace in places and pod.is_workload and not pod.starting
    }
    waiting = {kind_of(pod) for pod in scene.snapshot.pending if pod.namespace in places}
    for kind, lesson in known.items():
        seen = now if kind in waiting else lesson.seen
        if kind not in running and now - seen < FORGOTTEN:
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
        title: (pod, why)
        for title, pod in waiting.items()
        if nodes and (why := _why_on_none(scene, pod, nodes))
    }
    if not suspects:
        return None, {}
    arrived = purchase.arrived or now
    if now - arrived < GRACE:
        left = {title: purchase.pods[title] for title in suspects}
        return replace(purchase, pods=left, arrived=arrived), {}
    return None, {
        purchase.pods[title]: NotTaken(title, why[:LONGEST_WHY], now)
        for title, (pod, why) in suspects.items()
    }


def _why_on_none(scene: Scene, pod: SeenPod, nodes: Iterable[SeenNode]) -> str:
    """Why a pod can take none of the new nodes, even if they were empty; else an empty text."""
    why = ""
    for node in nodes:
        empty = empty_place_of_node(node)
        misfit = empty.lacks(pod) or empty.admits(pod)
        if misfit is None and not any(one.is_workload for one in node.pods):
            place = scene.room.find(node.name)
            beside = scene.room.misfit(pod, place) if place else None
            misfit = beside if beside in _BY_OTHERS else None
        if misfit is None:
            return ""
        why = f"{node.name} came, but {misfit}"
    return why


def _puzzled(scene: Scene) -> Mapping[str, NotTaken]:
    """Lessons of pods that have waited for long although the model knows room for them."""
    now = scene.snapshot.time
    late = {title for title, since in scene.memory.puzzles.items() if now - since >= PATIENCE}
    return {
        kind_of(pod): NotTaken(pod.title, "the scheduler does not use the room for it", now)
        for pod in scene.snapshot.pending
        if pod.title in late
    }

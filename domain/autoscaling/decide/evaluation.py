"""The decision: what the group needs now, and why."""

from dataclasses import replace

from domain.autoscaling.decide.growth import decide_growth
from domain.autoscaling.decide.removal import decide_removal, find_idle
from domain.autoscaling.decide.repair import find_repairs
from domain.autoscaling.decide.scene import Scene
from domain.autoscaling.decide.taking import learn_of_pods, note_pods
from domain.autoscaling.decision import Decision, Hold, Reason, ScaleOut
from domain.autoscaling.memory.machines import notice_machines
from domain.autoscaling.memory.memory import MOST_WATCHED, Memory, notice
from domain.autoscaling.memory.remembering import learn
from domain.autoscaling.see.snapshot import Snapshot
from domain.spec.scaling import ScalingPolicy


def decide(snapshot: Snapshot, policy: ScalingPolicy, memory: Memory) -> tuple[Decision, Memory]:
    """Decide what the group needs. Pure: changes nothing.

    The order is the policy: pending pods and rules that add come first, then broken machines, then
    cost; the largest wanted size counts. One machine is removed at a time, and a well one only when
    nothing would add it again.

    Returns: the decision with its reason, and the next memory, which counts the decision as carried
    out. The caller reports the outcome with the functions of `remembering`.
    """
    jumped = memory.went_backwards(snapshot.time)
    memory = notice(memory, snapshot, policy)
    scene = Scene(snapshot, policy, memory)
    scene.memory = notice_machines(memory, snapshot, scene.standings, policy)
    memory = scene.memory = learn_of_pods(scene)
    if snapshot.rivals:
        rivals = ", ".join(snapshot.rivals[:3])
        decision: Decision = scene.hold(Reason.ANOTHER_AUTOSCALER, rivals)
    elif scene.bounds.contradict:
        words = f"{scene.bounds.minimum} to {scene.bounds.maximum}"
        decision = scene.hold(Reason.BOUNDS_CONTRADICT, words)
    elif jumped:
        decision = scene.hold(Reason.CLOCK_JUMPED, "")
    else:
        idle = find_idle(scene)
        longest = sorted(idle, key=lambda name: idle[name])[:MOST_WATCHED]
        memory = replace(memory, idle_since={name: idle[name] for name in longest})
        if scene.rules_due:
            memory = replace(memory, rules_at=snapshot.time)
        repair, scene.repairs = find_repairs(scene)
        growth = decide_growth(scene)
        if isinstance(growth, ScaleOut):
            decision = growth
        else:
            decision = repair or growth or decide_removal(scene, idle) or _rest(scene)
        memory = note_pods(memory, scene, decision)
    return decision, learn(memory, decision, snapshot.time, scene.pods)


def _rest(scene: Scene) -> Hold:
    """Hold with the reason; an unknown value comes before `ALL_WELL`."""
    obstacles = [r.obstacle for r in scene.readings.values() if r.obstacle]
    if scene.unfit:
        pod, misfit = scene.unfit[0]
        return scene.hold(Reason.NO_MACHINE_HOLDS, f"{len(scene.unfit)}; {pod}: {misfit}")
    if scene.placeable and scene.booting:
        return scene.hold(Reason.MACHINES_BOOT, f"{scene.booting} for {scene.placeable} pods")
    if scene.placeable and scene.packed and not scene.packed.machines:
        return scene.hold(Reason.ROOM_IS_THERE, scene.waiting_text)
    if scene.waiting.arriving:
        return scene.hold(Reason.ARRIVED, f"{scene.waiting.arriving} pods")
    for obstacle in (Reason.UNKNOWN_METRIC, Reason.SAMPLES_MISSING, Reason.NO_NODES):
        if obstacle in obstacles:
            words = next(r.words for r in scene.readings.values() if r.obstacle is obstacle)
            return scene.hold(obstacle, words)
    if scene.waiting.notes:
        note = scene.waiting.notes[0]
        return scene.hold(note.reason, f"{note.about}: {note.detail}")
    if Reason.NOT_DUE in obstacles:
        every = scene.policy.interval_seconds
        left = every - scene.seconds_since(scene.memory.rules_at or scene.snapshot.time)
        return scene.hold(Reason.NOT_DUE, f"in {left:.0f} s, as every {every} s")
    return scene.hold(Reason.ALL_WELL, "")

"""A policy without the guards, for comparison in a replay only."""

from dataclasses import replace

from domain.autoscaling.decide.scene import Scene
from domain.autoscaling.decision import Decision, Reason, ScaleIn, ScaleOut
from domain.autoscaling.memory.memory import Memory, notice
from domain.autoscaling.see.snapshot import Snapshot
from domain.spec.scaling import ScalingPolicy


def decide_literally(
    snapshot: Snapshot, policy: ScalingPolicy, memory: Memory
) -> tuple[Decision, Memory]:
    """Follow the rules, one change at a time, within the bounds and without other guards.

    A rule that removes takes the emptiest node, and checks neither the places for its pods nor the
    other rules.
    """
    memory = notice(memory, snapshot, policy)
    scene = Scene(snapshot, policy, memory)
    if scene.booting or scene.leaving:
        return scene.hold(Reason.MACHINES_BOOT, "one change at a time"), memory
    firing = [(rule, reading) for rule, reading in scene.readings.items() if reading.fires]
    if scene.rules_due:
        memory = replace(memory, rules_at=snapshot.time)
    packed = scene.packed
    steps = [rule.step for rule, _ in firing]
    if policy.pending_pods and packed and packed.machines:
        steps.append(packed.machines)
    target = scene.size + max(steps, default=0)
    target = max(scene.bounds.minimum, min(target, scene.bounds.maximum))
    words = "; ".join(reading.words for _, reading in firing)
    if target > scene.size:
        reason = Reason.RULE_ADDS if words else Reason.PODS_WAIT
        add = target - scene.size
        return ScaleOut(scene.basis(reason, words), target, add, ""), memory
    nodes = [m for m in scene.settled if m.node]
    if target < scene.size and nodes:
        chosen = min(nodes, key=lambda m: m.node.count_workload() if m.node else 0)
        basis = scene.basis(Reason.RULE_REMOVES, words)
        return ScaleIn(basis, chosen.machine.id, chosen.machine.node), memory
    return scene.hold(Reason.ALL_WELL, words), memory

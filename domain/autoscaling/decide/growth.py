"""Whether the group must grow: its minimum, pending pods, rules that add."""

from collections.abc import Iterator
from dataclasses import dataclass

from domain.autoscaling.decide.scene import Scene
from domain.autoscaling.decision import Hold, Reason, ScaleOut
from domain.autoscaling.see.readings import would_still_add
from domain.kernel.texts import count_machines


@dataclass(frozen=True, slots=True)
class Want:
    """The size that one signal wants."""

    target: int
    reason: Reason
    detail: str


def decide_growth(scene: Scene) -> ScaleOut | Hold | None:
    """Grow to the largest size that any signal wants, never to their sum.

    Returns: a hold where more is needed but not possible now; None where no more is needed.
    """
    wants = list(_wants(scene))
    if not wants:
        return None
    want = max(wants, key=lambda want: want.target)
    target = min(want.target, scene.bounds.maximum)
    if scene.is_mass_failure and target > scene.size:
        # The machines may all come back; until then those that exist count for the maximum.
        target = min(target, max(scene.size, scene.bounds.maximum - len(scene.broken)))
        if target <= scene.size:
            return scene.hold(Reason.MANY_BROKEN, f"{scene.down_text}; {want.detail}")
    if target <= scene.size:
        if scene.size > scene.bounds.maximum and want.reason is not Reason.PODS_WAIT:
            return None  # a maximum below the current size is a wish for a smaller group
        return scene.hold(Reason.AT_MAXIMUM, f"{scene.bounds.maximum}; {want.detail}")
    cooling = _cooling(scene)
    if cooling > 0:
        return scene.hold(Reason.COOLING_OUT, f"{cooling:.0f} s left; {want.detail}")
    joins = scene.memory.failed_joins
    if joins and joins.until > scene.snapshot.time:
        words = f"{joins.failures} in a row, until {joins.until:%d %b %H:%M:%S %Z}; {joins.why}"
        return scene.hold(Reason.JOINS_FAILED, words)
    if scene.template is None:
        return _without_template(scene)
    basis = scene.basis(want.reason, want.detail)
    return ScaleOut(basis, target, target - scene.size, scene.template.instance_type)


def _wants(scene: Scene) -> Iterator[Want]:
    if scene.size < scene.bounds.minimum:
        minimum = scene.bounds.minimum
        yield Want(minimum, Reason.BELOW_MINIMUM, str(minimum))
    packed = scene.packed
    if scene.policy.pending_pods and packed and packed.machines:
        words = f"{scene.placeable} wait, {count_machines(packed.machines)} more would hold them"
        yield Want(scene.size + packed.machines, Reason.PODS_WAIT, words)
    for rule, reading in scene.readings.items():
        values = scene.values[rule]
        if rule.adds and reading.fires and would_still_add(rule, values, scene.booting):
            yield Want(scene.size + rule.step, Reason.RULE_ADDS, reading.words)


def _cooling(scene: Scene) -> float:
    """Seconds until the next addition is allowed."""
    out = scene.memory.last_out
    if out is None:
        return 0.0
    return scene.policy.cooldown_out_seconds - scene.seconds_since(out.at)


def _without_template(scene: Scene) -> Hold:
    troubles = scene.memory.troubles
    words = [
        f"{template.instance_type} until {troubles[template.instance_type].until:%H:%M:%S %Z}: "
        f"{troubles[template.instance_type].why}"
        for template in scene.snapshot.templates
        if template.instance_type in troubles
    ]
    if not words:
        return scene.hold(Reason.NO_TEMPLATE, ", ".join(scene.policy.instance_types))
    return scene.hold(Reason.LAUNCHES_BACK_OFF, "; ".join(words))

"""Hours of random failures: no removal is wrong, and the group settles."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decision import Decision, Hold, Reason, Repair, ScaleIn, ScaleOut
from domain.autoscaling.memory.memory import Memory, parse_memory
from domain.autoscaling.memory.remembering import launch_failed, removal_failed
from domain.autoscaling.replay.world import World
from domain.autoscaling.see.snapshot import SeenNode, Snapshot
from domain.spec.presets import PRESETS
from domain.spec.scaling import ScalingPolicy
from tests.domain.autoscaling.scaling_makers import make_node

MINUTE = 60.0
MINIMUM, MAXIMUM = 1, 8
SPEAKS_FOR_ITSELF = {Reason.ALL_WELL, Reason.CLOCK_JUMPED, Reason.NO_NODES, Reason.NO_TEMPLATE}


@dataclass
class Trouble:
    """The current failures; machines are named by their place in the list."""

    clock: float = 0.0
    blind: bool = False
    not_ready: set[int] = field(default_factory=set)
    cordoned: set[int] = field(default_factory=set)
    foreign: set[int] = field(default_factory=set)
    without_node: set[int] = field(default_factory=set)
    pinned: set[int] = field(default_factory=set)
    stray: bool = False

    def distort(self, snapshot: Snapshot) -> Snapshot:
        numbers = {machine.node: n for n, machine in enumerate(snapshot.machines)}
        nodes = [
            self._node(node, numbers[node.name])
            for node in snapshot.nodes
            if numbers[node.name] not in self.without_node
        ]
        if self.stray:
            nodes.append(make_node(999, 3))
        machines = [
            replace(machine, ours=n not in self.foreign)
            for n, machine in enumerate(snapshot.machines)
        ]
        return replace(
            snapshot,
            time=snapshot.time + timedelta(seconds=self.clock),
            nodes=tuple(nodes),
            machines=tuple(machines),
            statistics={} if self.blind else snapshot.statistics,
        )

    def _node(self, node: SeenNode, number: int) -> SeenNode:
        pods = node.pods
        if number in self.pinned:
            pods = tuple(replace(pod, owner="") for pod in pods)
        return replace(
            node,
            pods=pods,
            ready=number not in self.not_ready,
            schedulable=node.schedulable and number not in self.cordoned,
        )


def toggle(where: str) -> Callable[[Trouble, int], None]:
    return lambda trouble, number: getattr(trouble, where).__ixor__({number % MAXIMUM})


HAPPENINGS: dict[str, Callable[[Trouble, int], None]] = {
    "clock": lambda trouble, number: setattr(trouble, "clock", trouble.clock + number * 40.0),
    "blind": lambda trouble, number: setattr(trouble, "blind", not trouble.blind),
    "stray": lambda trouble, number: setattr(trouble, "stray", not trouble.stray),
} | {
    where: toggle(where) for where in ("not_ready", "cordoned", "foreign", "without_node", "pinned")
}

EVENTS = st.lists(
    st.tuples(
        st.sampled_from([*HAPPENINGS, "load", "load", "never boots", "act fails", "nothing"]),
        st.integers(-20, 20),
    ),
    max_size=90,
)


def check(decision: Decision, seen: Snapshot, policy: ScalingPolicy) -> None:
    """Check the properties of every decision, and those of removals."""
    basis = decision.basis
    assert isinstance(basis.reason, Reason)
    assert basis.detail or basis.reason in SPEAKS_FOR_ITSELF
    if isinstance(decision, ScaleOut):
        assert basis.size < decision.target <= MAXIMUM
        assert decision.add == decision.target - basis.size
    if not isinstance(decision, ScaleIn):
        return
    assert basis.size > MINIMUM
    machine = next(one for one in seen.machines if one.id == decision.machine)
    node = next(one for one in seen.nodes if one.name == decision.node)
    assert machine.ours
    assert not machine.leaving
    assert node.ready
    assert node.schedulable
    assert all(pod.owner for pod in node.pods)
    down = [one for one in seen.nodes if not one.ready]
    others = [one for one in seen.nodes if one.ready and one.schedulable and one is not node]
    free = sum(one.places - len(one.pods) for one in others)
    assert free >= len(node.pods) + sum(len(one.pods) for one in down)
    assert not seen.pending
    ours = {one.node for one in seen.machines}
    left = [one for one in seen.nodes if one.ready and one is not node and one.name in ours]
    pods = sum(len(one.pods) for one in left) + len(node.pods)
    average = pods / len(left) if left else 0.0
    assert basis.reason is Reason.ABOVE_MAXIMUM or not any(
        rule.adds and rule.holds(average) for rule in policy.rules
    )


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(preset=st.sampled_from(list(PRESETS)), events=EVENTS, last=st.integers(0, 300))
def test_group_settles_without_a_wrong_removal_after_any_failures(
    preset: str, events: list[tuple[str, int]], last: int
) -> None:
    policy = PRESETS[preset].model_copy(update={"minimum": MINIMUM, "maximum": MAXIMUM})
    world = World(policy)
    world.launch(3, booted=True)
    trouble, memory, load, changed_at = Trouble(), Memory(), 90, 0.0
    quiet = [("nothing", 0)] * (5 * 60)
    for minute, (what, number) in enumerate([*events, *quiet]):
        if minute == len(events):  # no further events
            trouble, load = Trouble(clock=trouble.clock), last
        elif what == "load":
            load = max(0, load + 10 * number)
        elif what in HAPPENINGS:
            HAPPENINGS[what](trouble, number)
        world.advance(minute * MINUTE, load)
        world.sample()
        seen = trouble.distort(world.snapshot(MINIMUM, MAXIMUM))
        decision, memory = decide(seen, policy, memory)
        check(decision, seen, policy)
        memory = parse_memory(memory.to_json())
        match decision:
            case Hold():
                continue
            case ScaleOut() if what == "act fails":
                memory = launch_failed(memory, seen.time, "replayed", "sold out", policy.back_off)
            case ScaleIn() if what == "act fails":
                memory = removal_failed(memory, seen.time, decision.node, "stuck")
            case ScaleOut():
                world.launch(decision.add)
                if what == "never boots":
                    for machine in world.machines[-decision.add :]:
                        machine.ready_at = float("inf")
            case ScaleIn() | Repair():
                world.remove(decision.machine)
        changed_at = minute * MINUTE
    assert changed_at <= (len(events) + 4 * 60) * MINUTE

"""Replay a policy over hours of load: what it would do, what that costs, whether it rests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decision import Decision, Hold, Reason, ScaleIn, ScaleOut
from domain.autoscaling.memory.memory import Memory
from domain.autoscaling.replay.literal import decide_literally
from domain.autoscaling.replay.loads import HOUR, Load
from domain.autoscaling.replay.world import PLENTY, World
from domain.autoscaling.see.snapshot import Resources, SeenPod, Snapshot
from domain.spec.scaling import ScalingPolicy

TICK = 20.0
"""Seconds between two moments of the replay; it evaluates and samples each third one."""

MINUTE = 60.0
QUIET = HOUR
"""So long without a change is rest."""

LONGEST_TAIL = 8 * HOUR
"""So long the last load is held, to see whether the group comes to rest."""

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)

Decide = Callable[[Snapshot, ScalingPolicy, Memory], tuple[Decision, Memory]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is replayed.

    Args:
        minimum: of the group, as its description says.
        maximum: the same.
        machines: that are there and Ready when it starts.
        guarded: False takes the policy at its word.
        kinds: pods are of these, in turn.
    """

    policy: ScalingPolicy
    load: Load
    hours: float = 4.0
    boot_minutes: float = 3.0
    minimum: int = 0
    maximum: int = 10
    machines: int = 3
    guarded: bool = True
    drain_seconds: float = 60.0
    start: datetime = MONDAY
    kinds: Sequence[SeenPod] = (SeenPod("default", "replayed"),)
    capacity: Resources = PLENTY


@dataclass(frozen=True, slots=True)
class Moment:
    """The cluster at one moment; `nodes` take pods, `machines` are billed."""

    seconds: float
    machines: int
    nodes: int
    wanted: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the group's size."""

    seconds: float
    size: int
    target: int
    sentence: str

    @property
    def adds(self) -> bool:
        return self.target > self.size


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a scenario.

    Args:
        changes: within the hours asked for.
        settles: whether an hour passed without a change once the load was held.
        resting_size: machines at the end, where it settles.
        pod_minutes: that pods waited, all together.
    """

    scenario: Scenario
    changes: tuple[Change, ...]
    moments: tuple[Moment, ...]
    settles: bool
    resting_size: int | None
    last_reason: str
    machine_hours: float
    pod_minutes: float

    @property
    def additions(self) -> int:
        return sum(1 for change in self.changes if change.adds)

    @property
    def removals(self) -> int:
        return len(self.changes) - self.additions

    @property
    def most_waiting(self) -> int:
        return max(moment.waiting for moment in self.moments)


def replay(scenario: Scenario) -> Replay:
    """Run a scenario through, from its first machines to its rest; changes nothing real."""
    world = World(
        scenario.policy,
        start=scenario.start,
        boot_seconds=scenario.boot_minutes * MINUTE,
        drain_seconds=scenario.drain_seconds,
        kinds=scenario.kinds,
        capacity=scenario.capacity,
    )
    world.launch(scenario.machines, booted=True)
    run = _Run(scenario, world)
    end = scenario.hours * HOUR
    while run.seconds < end or (run.quiet_seconds < QUIET and run.seconds < end + LONGEST_TAIL):
        run.step(scenario.load.pods(min(run.seconds, end)))
    within = [moment for moment in run.moments if moment.seconds < end]
    settles = run.quiet_seconds >= QUIET
    return Replay(
        scenario,
        tuple(change for change in run.changes if change.seconds < end),
        tuple(within),
        settles,
        run.moments[-1].machines if settles else None,
        run.last_reason,
        sum(moment.machines for moment in within) * TICK / HOUR,
        sum(moment.waiting for moment in within) * TICK / MINUTE,
    )


class _Run:
    """A replay under way."""

    def __init__(self, scenario: Scenario, world: World) -> None:
        self.scenario = scenario
        self.world = world
        self.seconds = 0.0
        self.memory = Memory()
        self.changes: list[Change] = []
        self.moments: list[Moment] = []
        self.last_reason = ""
        self._decide: Decide = decide if scenario.guarded else decide_literally

    @property
    def quiet_seconds(self) -> float:
        return self.seconds - (self.changes[-1].seconds if self.changes else 0.0)

    def step(self, wanted: int) -> None:
        world = self.world
        world.advance(self.seconds, wanted)
        if self.seconds % MINUTE == 0:
            world.sample()
            self._evaluate()
        self.moments.append(
            Moment(self.seconds, len(world.machines), len(world.nodes), wanted, len(world.waiting))
        )
        self.seconds += TICK

    def _evaluate(self) -> None:
        scenario = self.scenario
        snapshot = self.world.snapshot(scenario.minimum, scenario.maximum)
        decision, self.memory = self._decide(snapshot, scenario.policy, self.memory)
        match decision:
            case ScaleOut():
                self.world.launch(decision.add)
            case ScaleIn():
                self.world.remove(decision.machine)
            case Hold():
                if decision.basis.reason is not Reason.NOT_DUE:
                    self.last_reason = decision.sentence
                return
        size = decision.basis.size
        self.changes.append(Change(self.seconds, size, decision.target, decision.sentence))

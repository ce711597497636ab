"""Replay of a policy over hours of load: its changes, its cost, and whether it settles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decision import Decision, Hold, Reason, Repair, ScaleIn, ScaleOut
from domain.autoscaling.memory.memory import Memory
from domain.autoscaling.replay.literal import decide_literally
from domain.autoscaling.replay.loads import HOUR, Load
from domain.autoscaling.replay.world import ANY_POD, PLENTY, World
from domain.autoscaling.see.snapshot import Resources, SeenPod, Snapshot
from domain.spec.scaling import ScalingPolicy

TICK = 20.0
"""Seconds between two moments of the replay; each third one is sampled and evaluated."""

MINUTE = 60.0
QUIET = HOUR
"""Seconds without a change after which a group counts as settled."""

LONGEST_TAIL = 8 * HOUR
"""Seconds for which the last load is held, to see whether the group settles."""

Decide = Callable[[Snapshot, ScalingPolicy, Memory], tuple[Decision, Memory]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """The input of a replay.

    Args:
        minimum, maximum: of the group's description.
        machines: number of Ready machines at the start.
        guarded: False replays the policy without the guards.
        kinds: templates of the pods, used in turn.
    """

    policy: ScalingPolicy
    load: Load
    hours: float = 4.0
    boot_minutes: float = 3.0
    minimum: int = 0
    maximum: int = 10
    machines: int = 3
    guarded: bool = True
    kinds: Sequence[SeenPod] = ANY_POD
    capacity: Resources = PLENTY


@dataclass(frozen=True, slots=True)
class Moment:
    """The cluster at one moment; `machines` are billed, `nodes` run pods."""

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
    """The result of a replay.

    Args:
        changes: within the hours of the scenario.
        settles: whether an hour passed without a change while the last load was held.
        resting_size: machines at the end; None where it does not settle.
        pod_minutes: sum of the time that pods were pending.
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
    """Run a scenario from its first machines until it settles. Changes nothing real."""
    boot_seconds = scenario.boot_minutes * MINUTE
    world = World(scenario.policy, boot_seconds, scenario.kinds, scenario.capacity)
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
    """The state of a running replay."""

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
            case ScaleIn() | Repair():
                self.world.remove(decision.machine)
            case Hold():
                if decision.basis.reason is not Reason.NOT_DUE:
                    self.last_reason = decision.sentence
                return
        size = decision.basis.size
        self.changes.append(Change(self.seconds, size, decision.target, decision.sentence))

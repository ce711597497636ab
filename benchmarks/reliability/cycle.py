"""Cycles: the undisturbed one that is recorded, and those that are struck."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.reliability.compare import Difference, Fault, Holdings, compare
from benchmarks.reliability.gate import NoTrouble, OnePoint, Storm, Strikes
from benchmarks.reliability.ground import Ground
from benchmarks.reliability.holdings import read_holdings
from benchmarks.reliability.points import Point, Site, Stage

MOST_TYPED, MOST_IN_A_STORM = 5, 15
"""How often a command is typed until it must have ended well."""

SETTLING = 5.0
"""Real seconds within which the local cloud ends what it has begun."""


class NotUndisturbed(Exception):
    """A stage without trouble did not end well; the text says why."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What the undisturbed cycle called and left, by stage."""

    sites: Mapping[Stage, tuple[Site, ...]]
    holdings: Mapping[Stage, Holdings]

    @property
    def all_sites(self) -> list[Site]:
        return [site for stage in Stage for site in self.sites[stage]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a stage.

    Attributes:
        what: the point, or another name of what was done to it.
        typed: how often the command was typed.
        errors: the sentences of the runs that failed.
        seconds: real ones.
    """

    what: str
    stage: Stage
    typed: int
    errors: tuple[str, ...]
    differences: tuple[Difference, ...]
    seconds: float
    point: Point | None = None
    struck: bool = True

    @property
    def converged(self) -> bool:
        return not self.differences


def record(ground: Ground) -> Recording:
    """Go through a cycle without trouble. Raises `NotUndisturbed`."""
    ground.begin_anew()
    sites: dict[Stage, tuple[Site, ...]] = {}
    holdings: dict[Stage, Holdings] = {}
    for stage in Stage:
        ground.gate.begin(stage, NoTrouble())
        ended = ground.run(stage)
        if ended.error:
            raise NotUndisturbed(f"{stage} without trouble failed: {ended.error}")
        sites[stage] = tuple(ground.gate.sites)
        holdings[stage] = _settled(ground)
    if left := holdings[Stage.TEARDOWN]:
        raise NotUndisturbed(f"teardown without trouble left {dict(left)}")
    return Recording(sites, holdings)


def strike(ground: Ground, recording: Recording, points: Mapping[Stage, Point]) -> list[Outcome]:
    """Strike each of these points, in as few cycles as possible.

    Raises:
        NotUndisturbed: a stage without trouble did not end well.
    """
    outcomes: list[Outcome] = []
    left = dict(points)
    while left:
        for outcome in strike_cycle(ground, recording, left):
            outcomes.append(outcome)
            del left[outcome.stage]
    return outcomes


def strike_cycle(
    ground: Ground, recording: Recording, points: Mapping[Stage, Point]
) -> list[Outcome]:
    """Go through a cycle in which some stages are struck, each at one call.

    Stages without a point pass undisturbed, or are left out where nothing depends on them. After
    a stage that did not converge the cycle ends, and its cloud is emptied.

    Raises:
        NotUndisturbed: a stage without trouble did not end well.
    """
    outcomes = []
    for stage in stages_of(points):
        point = points.get(stage)
        strikes: Strikes = OnePoint(point) if point else NoTrouble()
        outcome = run_stage(ground, recording, stage, strikes, str(point or stage), point)
        if point:
            outcomes.append(outcome)
        if not outcome.converged:
            ground.begin_anew()
            if not point:
                raise NotUndisturbed(f"{stage} without trouble: {outcome}")
            break
    return outcomes


def storm(ground: Ground, recording: Recording, seed: int) -> list[Outcome]:
    """Go through a cycle in which a share of all calls goes wrong, reads too.

    Returns: one outcome, of the cycle up to the first stage that did not converge.
    """
    began, parts = time.monotonic(), []
    for stage in Stage:
        strikes = Storm(f"{seed} {stage}")
        what = f"storm {seed}, {stage}"
        parts.append(run_stage(ground, recording, stage, strikes, what, most=MOST_IN_A_STORM))
        if not parts[-1].converged:
            ground.begin_anew()
            break
    last = parts[-1]
    errors = tuple(error for part in parts for error in part.errors)
    typed = sum(part.typed for part in parts)
    seconds = time.monotonic() - began
    return [Outcome(last.what, last.stage, typed, errors, last.differences, seconds)]


def stages_of(points: Mapping[Stage, Point]) -> list[Stage]:
    """The stages that a cycle needs; a cloud is always left empty."""
    scaled = {Stage.SCALE_OUT, Stage.SCALE_IN}
    left_out = set() if scaled & points.keys() else scaled
    return [stage for stage in Stage if stage not in left_out]


def run_stage(
    ground: Ground,
    recording: Recording,
    stage: Stage,
    strikes: Strikes,
    what: str,
    point: Point | None = None,
    most: int = MOST_TYPED,
) -> Outcome:
    """Type the command of a stage until it ends well, then compare."""
    began = time.monotonic()
    ground.gate.begin(stage, strikes)
    errors: list[str] = []
    hung = False
    for _ in range(most):
        ended = ground.run(stage)
        hung = hung or ended.hung
        if not ended.error:
            break
        errors.append(ended.error)
    ground.let_late_calls_act()
    differences = [Difference(Fault.HANG, f"{stage}: {errors[-1]}")] if hung else []
    if len(errors) == most:
        differences.append(Difference(Fault.UNFINISHED, errors[-1]))
    differences += compare_settled(ground, recording.holdings[stage])
    return Outcome(
        what,
        stage,
        min(len(errors) + 1, most),
        tuple(errors),
        tuple(differences),
        time.monotonic() - began,
        point,
        struck=not isinstance(strikes, OnePoint) or strikes.has_struck,
    )


def compare_settled(ground: Ground, expected: Holdings) -> tuple[Difference, ...]:
    """Compare until nothing differs, or the local cloud must have ended everything."""
    deadline = time.monotonic() + SETTLING
    while True:
        differences = compare(expected, read_holdings(ground))
        if not differences or time.monotonic() > deadline:
            return differences
        time.sleep(0.1)


def _settled(ground: Ground) -> Holdings:
    """Read until two readings agree."""
    before = read_holdings(ground)
    while True:
        time.sleep(0.5)
        after = read_holdings(ground)
        if before == after:
            return after
        before = after

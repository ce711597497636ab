"""Progress and result of a matrix, as text."""

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.reliability.compare import Fault
from benchmarks.reliability.cycle import Outcome
from benchmarks.reliability.points import Stage

COUNTED = (
    Fault.DUPLICATE,
    Fault.MISSING,
    Fault.LEAK,
    Fault.DIFFERENT,
    Fault.HANG,
    Fault.UNFINISHED,
)


def progress(outcomes: Sequence[Outcome], total: int, seconds: float) -> str:
    """One line while a matrix runs."""
    failed = sum(not one.converged for one in outcomes)
    return f"{len(outcomes)} of {total} in {seconds:.0f} s, {failed} not converged"


def summary(outcomes: Sequence[Outcome], seconds: float) -> Iterator[str]:
    """The lines of the result: totals, table, and what to repeat."""
    converged = sum(one.converged for one in outcomes)
    counts = Counter(fault for one in outcomes for fault in {d.fault for d in one.differences})
    totals = ", ".join(f"{counts[fault]} {fault}" for fault in COUNTED)
    yield f"{len(outcomes)} points, {converged} converged; {totals}; {seconds:.0f} s"
    again = sum(one.typed > 1 for one in outcomes)
    most = max((one.typed for one in outcomes), default=0)
    yield f"{again} needed the command again; typed at most {most} times"
    if missed := [one.what for one in outcomes if not one.struck]:
        yield f"{len(missed)} never met their call: {' '.join(missed)}"
    yield from table(outcomes)
    for one in outcomes:
        if not one.converged:
            yield from failure(one)


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Converged of all, by side and trouble, for each stage."""
    points = [(one.point, one) for one in outcomes if one.point]
    rows = sorted({(str(point.site.side), str(point.trouble)) for point, _ in points})
    if not rows:
        return
    yield f"{'':34}" + "".join(f"{stage:>12}" for stage in Stage)
    for side, trouble in rows:
        cells = [
            [
                one.converged
                for point, one in points
                if (point.site.side, point.trouble, point.site.stage) == (side, trouble, stage)
            ]
            for stage in Stage
        ]
        words = [f"{sum(cell)}/{len(cell)}" if cell else "-" for cell in cells]
        yield f"{side:12}{trouble:22}" + "".join(f"{word:>12}" for word in words)


def failure(one: Outcome) -> Iterator[str]:
    """What is wrong after a point, and how to repeat exactly that one."""
    yield f"FAILED {one.what}, typed {one.typed} times"
    for difference in one.differences:
        yield f"    {difference.fault}: {difference.text}"
    for error in one.errors:
        yield f"    error: {error}"
    if one.point:
        yield f"    again: make matrix ARGS='--only {one.what}'"

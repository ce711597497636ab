"""Samples as lines: one metric of one group, aggregated in slices of time."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from domain.cloud.inventory import Inventory
from domain.observe.metrics.places import of_living_machines
from domain.observe.metrics.records import SampleReader, Window, WindowStatistics
from domain.reports.dashboard.records import NodePods, Point, Series
from domain.spec.metrics import BUILT_IN, PODS

SLICES = 96
"""Largest number of points in a line: a quarter of an hour each over a day."""

FINEST = timedelta(minutes=1)
"""The shortest slice, which is the interval of `monitor`."""

BREAK = 2.0
"""A line breaks where samples are missing for this many times their usual interval."""

LEAST = timedelta(minutes=10)
"""A shorter span would only show noise."""

CHARTED = (
    PODS,
    "cpu",
    "memory",
    "diskUsed",
    "networkIn",
    "networkOut",
    "cpuRequested",
    "memoryRequested",
    "containersNum",
    "podsPending",
)
"""Built-in metrics with a chart, in the page's order; custom monitors follow."""

ROOM = "podsRoom"
RECENT = timedelta(minutes=15)

Slices = list[tuple[datetime, Sequence[WindowStatistics]]]


def read_series(
    reader: SampleReader, custom: Sequence[str], since: datetime, until: datetime
) -> tuple[datetime, tuple[Series, ...]]:
    """Read the lines of a span. Returns: the time of the first sample, and the lines.

    The database aggregates each slice, so the size of the answer does not grow with the cluster.

    Args:
        custom: names of the custom monitors.
    """
    metrics = (*CHARTED, *custom)
    slices = _read(reader, metrics, since, until)
    first = next((middle for middle, found in slices if found), None)
    if first is not None and first - since > (until - since) / 4:
        since = min(first - (until - since) / SLICES, until - LEAST)
        slices = _read(reader, metrics, since, until)
    return since, tuple(_lines(metrics, slices))


def read_pods(reader: SampleReader, inventory: Inventory, until: datetime) -> tuple[NodePods, ...]:
    """The workload pods and places of each existing node, the fullest first."""
    window = Window(until - RECENT, until + timedelta(seconds=1), (PODS, ROOM))
    values: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for sample in of_living_machines(inventory, reader.latest(window)):
        values[sample.group, sample.machine][sample.metric] = round(sample.value)
    lines = (
        NodePods(machine, group, found[PODS], found.get(ROOM, 0))
        for (group, machine), found in values.items()
        if PODS in found
    )
    return tuple(sorted(lines, key=lambda line: (-line.pods, line.node)))


def _read(
    reader: SampleReader,
    metrics: tuple[str, ...],
    since: datetime,
    until: datetime,
) -> Slices:
    count = max(1, min(SLICES, (until - since) // FINEST))
    width = (until - since) / count
    edges = [since + width * number for number in range(count)] + [until + timedelta(seconds=1)]
    return [
        (begin + width / 2, reader.statistics(Window(begin, end, metrics)))
        for begin, end in pairwise(edges)
    ]


def _lines(metrics: tuple[str, ...], slices: Slices) -> Iterator[Series]:
    found: defaultdict[tuple[str, str], dict[datetime, WindowStatistics]] = defaultdict(dict)
    for middle, statistics in slices:
        for seen in statistics:
            found[seen.metric, seen.group][middle] = seen
    for metric in metrics:
        for group in sorted({group for name, group in found if name == metric}):
            points = found[metric, group]
            known = BUILT_IN.get(metric)
            yield Series(
                metric,
                known.title if known else metric,
                next(iter(points.values())).unit,
                group,
                tuple(_bridged([_point(middle, points.get(middle)) for middle, _ in slices])),
            )


def _point(middle: datetime, seen: WindowStatistics | None) -> Point | None:
    return Point(middle, seen.average, seen.minimum, seen.maximum) if seen else None


def _bridged(points: list[Point | None]) -> Iterator[Point | None]:
    """Points, with breaks only where samples are missing.

    The cloud is read every five minutes, scripts each minute: slices between two samples of a
    metric are no gap.
    """
    places = [place for place, point in enumerate(points) if point]
    usual = median([after - before for before, after in pairwise(places)] or [1])
    last: int | None = None
    for place in places:
        if last is not None and place - last > BREAK * usual:
            yield None
        yield points[place]
        last = place

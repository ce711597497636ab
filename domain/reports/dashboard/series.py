"""Samples as lines: one metric of one group, aggregated in slices of time."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import TypeVar

from domain.cloud.inventory import Inventory
from domain.observe.metrics.places import of_living_machines
from domain.observe.metrics.records import SampleReader, Window, WindowStatistics
from domain.reports.dashboard.records import MachineLines, NodePods, Point, Series
from domain.spec.metrics import BUILT_IN, PODS, Per

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

T = TypeVar("T")

MOST_VALUES = 250_000
"""Values of single machines on a page, which is then two megabytes: more machines, fewer slices."""

FEWEST = 12

Slices = list[tuple[datetime, Sequence[WindowStatistics]]]


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a span; `since` is the time of the first sample."""

    since: datetime
    times: tuple[datetime, ...]
    groups: tuple[Series, ...]
    machines: tuple[MachineLines, ...]


def read_lines(
    reader: SampleReader, custom: Sequence[str], since: datetime, until: datetime, machines: int
) -> Lines:
    """Read the lines of a span.

    The database aggregates each slice, so the size of the answer does not grow with the samples.

    Args:
        custom: names of the custom monitors.
        machines: how many machines there were in the span.
    """
    metrics = (*CHARTED, *custom)
    most = max(FEWEST, min(SLICES, MOST_VALUES // max(1, machines * len(metrics))))
    slices = _read(reader, metrics, since, until, most)
    first = next((middle for middle, found in slices if found), None)
    if first is not None and first - since > (until - since) / 4:
        since = min(first - (until - since) / most, until - LEAST)
        slices = _read(reader, metrics, since, until, most)
    return Lines(
        since,
        tuple(middle for middle, _ in slices),
        tuple(_group_lines(metrics, slices)),
        tuple(_machine_lines(metrics, slices)),
    )


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
    reader: SampleReader, metrics: tuple[str, ...], since: datetime, until: datetime, most: int
) -> Slices:
    count = max(1, min(most, (until - since) // FINEST))
    width = (until - since) / count
    edges = [since + width * number for number in range(count)] + [until + timedelta(seconds=1)]
    return [
        (begin + width / 2, reader.statistics(Window(begin, end, metrics), Per.MACHINE))
        for begin, end in pairwise(edges)
    ]


def _group_lines(metrics: tuple[str, ...], slices: Slices) -> Iterator[Series]:
    found: defaultdict[tuple[str, str], dict[datetime, list[WindowStatistics]]]
    found = defaultdict(lambda: defaultdict(list))
    for middle, statistics in slices:
        for seen in statistics:
            found[seen.metric, seen.group][middle].append(seen)
    for metric in metrics:
        for group in sorted({group for name, group in found if name == metric}):
            points = found[metric, group]
            known = BUILT_IN.get(metric)
            yield Series(
                metric,
                known.title if known else metric,
                next(iter(points.values()))[0].unit,
                group,
                tuple(_bridged([_point(middle, points.get(middle)) for middle, _ in slices])),
            )


def _point(middle: datetime, seen: Sequence[WindowStatistics] | None) -> Point | None:
    """The samples of all machines of a group in one slice."""
    if not seen:
        return None
    average = sum(one.average * one.count for one in seen) / sum(one.count for one in seen)
    return Point(
        middle, average, min(one.minimum for one in seen), max(one.maximum for one in seen)
    )


def _machine_lines(metrics: tuple[str, ...], slices: Slices) -> Iterator[MachineLines]:
    found: defaultdict[tuple[str, str, str], dict[datetime, float]] = defaultdict(dict)
    for middle, statistics in slices:
        for seen in statistics:
            if seen.machine:
                found[seen.metric, seen.group, seen.machine][middle] = seen.average
    order = {metric: number for number, metric in enumerate(metrics)}
    for metric, group, machine in sorted(found, key=lambda key: (order[key[0]], *key[1:])):
        values = found[metric, group, machine]
        line = [(middle, values[middle]) if middle in values else None for middle, _ in slices]
        yield MachineLines(metric, group, machine, tuple(_bridged(line)))


def _bridged(points: list[T | None]) -> Iterator[T | None]:
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

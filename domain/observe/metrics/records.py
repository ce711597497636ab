"""Samples as everybody reads them: one number, of one machine or group, at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.spec.metrics import Per


@dataclass(frozen=True, slots=True)
class Sample:
    """One number.

    `time` knows its time zone. `machine` is the machine's hostname, which is its node's name too;
    it is empty for what counts the whole group, and `group` is empty for the whole cluster.
    """

    time: datetime
    cluster: str
    group: str
    machine: str
    metric: str
    value: float
    unit: str


COLUMNS = ("time", "cluster", "group", "machine", "metric", "value", "unit")
"""Of the tidy frame, in this order: the fields of `Sample`."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A sample that should be there and is not, and why. `machine` is empty where all are."""

    time: datetime
    cluster: str
    group: str
    machine: str
    metric: str
    reason: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """The same gap again and again: `count` times from `first` to `last`."""

    group: str
    machine: str
    metric: str
    reason: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Collected:
    """What one collection brought."""

    samples: tuple[Sample, ...] = ()
    gaps: tuple[Gap, ...] = ()

    def __add__(self, other: "Collected") -> "Collected":
        return Collected(self.samples + other.samples, self.gaps + other.gaps)


@dataclass(frozen=True, slots=True)
class Window:
    """Which samples are meant: `since` ≤ time < `until`; what is empty does not choose."""

    cluster: str
    since: datetime
    until: datetime
    metrics: tuple[str, ...] = ()
    group: str = ""
    machines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WindowStatistics:
    """All samples of one metric in a window, of a machine, a group or the cluster.

    `machine` is empty where a group is meant, and `group` too where the cluster is. `latest` is
    the time of the youngest sample: a caller decides whether that is too old to act upon.
    """

    group: str
    machine: str
    metric: str
    unit: str
    count: int
    average: float
    minimum: float
    maximum: float
    latest: datetime


class SampleReader(Protocol):
    """What decisions ask of the samples; the store in `clients/samples.py` answers.

    Every call raises `TemporaryError` when the database is locked or gone.
    """

    def statistics(self, window: Window, per: Per = Per.GROUP) -> Sequence[WindowStatistics]:
        """Average, minimum and maximum by metric; nothing for what has no sample."""
        ...

    def latest(self, window: Window) -> Sequence[Sample]:
        """The youngest sample of each machine (or group) and metric inside the window."""
        ...

    def troubles(self, window: Window) -> Sequence[Trouble]:
        """What could not be measured in the window, each once; what happened last comes first."""
        ...

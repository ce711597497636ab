"""Samples: one number, of one machine or group, at one moment."""

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
    """A missing sample and the reason. `machine` is empty where all machines are concerned."""

    time: datetime
    cluster: str
    group: str
    machine: str
    metric: str
    reason: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A repeated gap: `count` times from `first` to `last`."""

    group: str
    machine: str
    metric: str
    reason: str
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Collected:
    """The samples and gaps of one collection."""

    samples: tuple[Sample, ...] = ()
    gaps: tuple[Gap, ...] = ()

    def __add__(self, other: "Collected") -> "Collected":
        return Collected(self.samples + other.samples, self.gaps + other.gaps)


@dataclass(frozen=True, slots=True)
class Window:
    """A selection of a cluster's samples: `since` ≤ time < `until`.

    An empty field does not restrict it.
    """

    since: datetime
    until: datetime
    metrics: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class WindowStatistics:
    """Statistics of one metric in a window, of a machine, a group or the cluster.

    `machine` is empty for a group, and `group` too for the cluster. `latest` is the time of the
    latest sample: the caller decides whether that is too old.
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
    """Read access to samples; implemented, and described, by `clients/samples.py`.

    Every call raises `TemporaryError` when the database is locked or unreachable.
    """

    def statistics(self, window: Window, per: Per = Per.GROUP) -> Sequence[WindowStatistics]: ...
    def latest(self, window: Window) -> Sequence[Sample]: ...
    def troubles(self, window: Window) -> Sequence[Trouble]: ...

"""The data of the dashboard: a cluster over a span of time."""

from dataclasses import dataclass, field
from datetime import datetime

from domain.kernel.money import Rate
from domain.observe.alarms.deliveries import Delivery
from domain.observe.alarms.states import AlarmState
from domain.observe.cost import DailyCost, Saving
from domain.observe.metrics.records import Trouble
from domain.observe.scalings import Scaling
from domain.reports.cluster import ClusterReport
from domain.spec.alarms import Level


@dataclass(frozen=True, slots=True)
class Point:
    """A group's machines in one slice of time; `time` is the slice's middle."""

    time: datetime
    average: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one group; None in `points` is a slice without samples: a gap in the line."""

    metric: str
    title: str
    unit: str
    group: str
    points: tuple[Point | None, ...]


@dataclass(frozen=True, slots=True)
class MachineLines:
    """One metric of one machine; its points are averages, None as in `Series`."""

    metric: str
    group: str
    machine: str
    points: tuple[tuple[datetime, float] | None, ...]


@dataclass(frozen=True, slots=True)
class ScaleEvent:
    """A change of a group's size by `change` machines, to `size`."""

    time: datetime
    group: str
    change: int
    size: int


@dataclass(frozen=True, slots=True)
class AlarmSpan:
    """An alarm that fired from `begin` to `end` (None while it fires), with its highest level."""

    rule: str
    subject: str
    level: Level
    begin: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class NodePods:
    """Workload pods of a node, and its places for them; `room` is 0 where it is unknown."""

    node: str
    group: str
    pods: int
    room: int


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Everything on the page, from `since` to `until`, which is the time of the report.

    Attributes:
        times: the middles of the slices, to which all points belong.
        machine_lines: of the machines of the span; only of the page, not of the artifact.
        report: the cluster now; None where it was not read.
        scalings: by our runs, the oldest first.
        events: all changes of sizes, also those that no run of ours has recorded.
        undelivered: messages without a confirmed delivery.
        lost: why the database could not be read; empty where it was.
    """

    cluster: str
    zone: str
    since: datetime
    until: datetime
    times: tuple[datetime, ...] = ()
    series: tuple[Series, ...] = ()
    machine_lines: tuple[MachineLines, ...] = ()
    report: ClusterReport | None = None
    pods: tuple[NodePods, ...] = ()
    sizes: dict[str, tuple[tuple[datetime, int], ...]] = field(default_factory=dict)
    events: tuple[ScaleEvent, ...] = ()
    scalings: tuple[Scaling, ...] = ()
    alarms: tuple[AlarmSpan, ...] = ()
    active: tuple[AlarmState, ...] = ()
    undelivered: tuple[Delivery, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    costs: tuple[DailyCost, ...] = ()
    rate: Rate | None = None
    savings: tuple[Saving, ...] = ()
    lost: str = ""

    @property
    def machines(self) -> int:
        return sum(steps[-1][1] for steps in self.sizes.values() if steps)

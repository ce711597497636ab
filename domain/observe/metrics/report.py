"""The report of one collection, for terminals and programs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.kernel.errors import TemporaryError
from domain.observe.alarms.report import AlarmReport
from domain.observe.metrics.records import Gap, Sample


@dataclass(frozen=True, slots=True)
class MachineMetrics:
    """The latest value of each metric of one machine."""

    name: str
    group: str
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """One collection: its samples and gaps.

    `database` is where the samples were stored; it is empty when they could not be, and one of the
    gaps gives the reason.
    """

    cluster: str
    time: datetime
    machines: tuple[MachineMetrics, ...]
    totals: Mapping[str, float]
    gaps: tuple[Gap, ...]
    database: str
    alarms: AlarmReport | None = None


class Incomplete(TemporaryError):
    """A collection whose samples were not stored, or whose alarms were not evaluated.

    Attributes:
        report: what was measured.
    """

    def __init__(self, message: str, report: MetricsReport) -> None:
        super().__init__(message)
        self.report = report


MEND_DATABASE = (
    "Let that database answer again, or name another one with SAMPLES_URL or the block "
    "monitoring-database/default; then run the same command again"
)


def check_complete(report: MetricsReport, lost: str) -> None:
    """Check that the samples were stored and the alarms evaluated.

    Args:
        lost: why the samples were not stored; empty where they were.

    Raises:
        Incomplete: one of both is missing; it carries the report.
    """
    blind = report.alarms.blind if report.alarms else ""
    if not (lost or blind):
        return
    what = "samples are not kept" if lost else "alarms are not evaluated"
    both = " and its alarms not evaluated" if lost and blind else ""
    raise Incomplete(
        f"cluster {report.cluster} was measured, but its {what}{both}, because {lost or blind}. "
        f"{MEND_DATABASE}",
        report,
    )


def machine_metrics(samples: Iterable[Sample]) -> tuple[MachineMetrics, ...]:
    """Group samples by machine, sorted by group and name; of each metric the latest counts."""
    values: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for sample in sorted(samples, key=lambda sample: sample.time):
        if sample.machine:
            values[sample.group, sample.machine][sample.metric] = sample.value
    return tuple(
        MachineMetrics(name, group, dict(sorted(found.items())))
        for (group, name), found in sorted(values.items())
    )


def report_metrics(
    cluster: str, time: datetime, samples: Iterable[Sample], gaps: Iterable[Gap], database: str
) -> MetricsReport:
    """Build the report of a collection."""
    samples = tuple(samples)
    return MetricsReport(
        cluster=cluster,
        time=time,
        machines=machine_metrics(samples),
        totals={one.metric: one.value for one in samples if not one.group and not one.machine},
        gaps=tuple(gaps),
        database=database,
    )

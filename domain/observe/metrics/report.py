"""What one collection is reported as: to a person, to a program."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.kernel.errors import TemporaryError
from domain.observe.alarms.report import AlarmReport
from domain.observe.metrics.records import Gap, Sample


@dataclass(frozen=True, slots=True)
class MachineMetrics:
    """The youngest number of each metric of one machine."""

    name: str
    group: str
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """A collection: what was measured now, and what could not be.

    `database` is where the samples went; it is empty when they could not be kept, and one of the
    gaps says why.
    """

    cluster: str
    time: datetime
    machines: tuple[MachineMetrics, ...]
    totals: Mapping[str, float]
    gaps: tuple[Gap, ...]
    database: str
    alarms: AlarmReport | None = None


class Incomplete(TemporaryError):
    """A collection measured, but its samples were not kept or its alarms not looked at.

    Attributes:
        report: what was measured all the same.
    """

    def __init__(self, message: str, report: MetricsReport) -> None:
        super().__init__(message)
        self.report = report


MEND_DATABASE = (
    "Let that database answer again, or name another one with SAMPLES_URL or the block "
    "monitoring-database/default; then run the same command again"
)


def check_complete(report: MetricsReport, lost: str) -> None:
    """Make sure that nothing was lost for want of the samples' database.

    Args:
        lost: why the samples were not kept; empty where they were.

    Raises:
        Incomplete: something was; it carries the report.
    """
    blind = report.alarms.blind if report.alarms else ""
    if not (lost or blind):
        return
    what = "samples are not kept" if lost else "alarms are not looked at"
    both = " and its alarms not looked at" if lost and blind else ""
    raise Incomplete(
        f"cluster {report.cluster} was measured, but its {what}{both}, because {lost or blind}. "
        f"{MEND_DATABASE}",
        report,
    )


def machine_metrics(samples: Iterable[Sample]) -> tuple[MachineMetrics, ...]:
    """Gather samples by machine, sorted by group and name; of two of one metric the younger."""
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
    """Put the report of a collection together."""
    samples = tuple(samples)
    return MetricsReport(
        cluster=cluster,
        time=time,
        machines=machine_metrics(samples),
        totals={one.metric: one.value for one in samples if not one.group and not one.machine},
        gaps=tuple(gaps),
        database=database,
    )

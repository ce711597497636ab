"""What the cloud's own monitoring says about machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from domain.cloud import Instance
from domain.metrics.catalog import BUILT_IN
from domain.metrics.records import Sample

STEP = timedelta(minutes=5)
"""The cloud has no finer data, so it is not asked more often."""

LOOK_BACK = 3 * STEP
"""How far back each reading goes: a value may come late, and one that is known stays as it is."""

ASKED = "cloudReadings"
"""A metric of our own: how many values the cloud's monitoring gave, and so when it was asked."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one machine; metric and unit are ours, not the cloud's."""

    instance_id: str
    metric: str
    time: datetime
    value: float


class CloudMonitoring(Protocol):
    """What is asked of a cloud beside `domain.cloud.Cloud`."""

    def read_machine_metrics(
        self, machines: Sequence[Instance], since: datetime, until: datetime
    ) -> Sequence[Reading]: ...


def cloud_samples(
    readings: Sequence[Reading], cluster: str, places: Mapping[str, tuple[str, str]]
) -> list[Sample]:
    """Turn readings into samples; `places` holds group and name of each machine by its id."""
    return [
        Sample(one.time, cluster, *places[one.instance_id], one.metric, one.value, unit)
        for one in readings
        for unit in (BUILT_IN[one.metric].unit,)
    ]


def silent_machines(
    readings: Sequence[Reading], machines: Sequence[Instance], metric: str
) -> list[Instance]:
    """The machines for which the cloud has no value of a metric, as without its guest agent."""
    known = {one.instance_id for one in readings if one.metric == metric}
    return [machine for machine in machines if machine.id not in known]

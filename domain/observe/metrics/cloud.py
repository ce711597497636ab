"""Samples from the cloud's monitoring of machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from domain.cloud.records import Instance
from domain.observe.metrics.records import Sample
from domain.spec.metrics import BUILT_IN

STEP = timedelta(minutes=5)
"""The interval of the cloud's data; reading it more often would give nothing new."""

LOOK_BACK = 3 * STEP
"""How far back each reading goes: values may appear late, and stored samples are kept."""

ASKED = "cloudReadings"
"""A metric of our own: number of values in a reading. Its time is that of the reading."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one machine; metric and unit are ours, not the cloud's."""

    instance_id: str
    metric: str
    time: datetime
    value: float


def cloud_samples(
    readings: Sequence[Reading], cluster: str, places: Mapping[str, tuple[str, str]]
) -> list[Sample]:
    """Convert readings into samples. Readings of other machines than those in `places` are dropped.

    Args:
        places: group and name of each machine by its id.
    """
    return [
        Sample(one.time, cluster, *places[one.instance_id], one.metric, one.value, unit)
        for one in readings
        if one.instance_id in places
        for unit in (BUILT_IN[one.metric].unit,)
    ]


class MonitoringApi(Protocol):
    """What a collection asks of the cloud's own monitoring."""

    def read_machine_metrics(
        self, machines: Sequence[Instance], since: datetime, until: datetime
    ) -> Sequence[Reading]: ...

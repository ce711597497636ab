"""What the cloud's own monitoring says about machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.observe.metrics.records import Sample
from domain.spec.metrics import BUILT_IN

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


def cloud_samples(
    readings: Sequence[Reading], cluster: str, places: Mapping[str, tuple[str, str]]
) -> list[Sample]:
    """Turn readings into samples; `places` holds group and name of each machine by its id.

    What was read of a machine without a place is left out: nobody has asked for it.
    """
    return [
        Sample(one.time, cluster, *places[one.instance_id], one.metric, one.value, unit)
        for one in readings
        if one.instance_id in places
        for unit in (BUILT_IN[one.metric].unit,)
    ]

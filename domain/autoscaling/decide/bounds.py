"""The bounds of a group's size at a moment: the group's, the policy's and the schedule's."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from domain.spec.scaling import DAYS, ScalingPolicy, ScheduleWindow


@dataclass(frozen=True, slots=True)
class Bounds:
    minimum: int
    maximum: int

    @property
    def contradict(self) -> bool:
        return self.minimum > self.maximum


def bounds_at(policy: ScalingPolicy, group: Bounds, moment: datetime) -> Bounds:
    """The bounds in force, always within those of the group itself."""
    minimum = group.minimum if policy.minimum is None else policy.minimum
    maximum = group.maximum if policy.maximum is None else policy.maximum
    active = [window for window in policy.schedule if is_active(window, moment)]
    minimum = max((w.minimum for w in active if w.minimum is not None), default=minimum)
    maximum = max((w.maximum for w in active if w.maximum is not None), default=maximum)
    return Bounds(max(minimum, group.minimum), min(maximum, group.maximum))


def is_active(window: ScheduleWindow, moment: datetime) -> bool:
    """Whether a window is open; one that crosses midnight belongs to the day that it starts on."""
    local = moment.astimezone(ZoneInfo(window.time_zone))
    clock, today = local.time(), DAYS[local.weekday()]
    if window.start < window.end:
        return today in window.days and window.start <= clock < window.end
    yesterday = DAYS[(local - timedelta(days=1)).weekday()]
    late = today in window.days and clock >= window.start
    return late or (yesterday in window.days and clock < window.end)

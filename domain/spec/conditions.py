"""A metric held against a limit: what the rules of alarms and of scaling have in common."""

from enum import StrEnum
from typing import Protocol

from pydantic import Field

from domain.spec.part import Part


class Statistics(Protocol):
    """The numbers of a window of samples."""

    @property
    def count(self) -> int: ...
    @property
    def average(self) -> float: ...
    @property
    def minimum(self) -> float: ...
    @property
    def maximum(self) -> float: ...


class Statistic(StrEnum):
    """What of a window's samples is compared; `count` is how many there are, 0 included."""

    AVERAGE = "avg"
    MINIMUM = "min"
    MAXIMUM = "max"
    COUNT = "count"

    def of(self, seen: Statistics) -> float:
        """Take the number from what was read of a window."""
        match self:
            case Statistic.AVERAGE:
                return seen.average
            case Statistic.MINIMUM:
                return seen.minimum
            case Statistic.MAXIMUM:
                return seen.maximum
            case Statistic.COUNT:
                return float(seen.count)


class Comparator(StrEnum):
    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="

    @property
    def is_upward(self) -> bool:
        """Whether larger values make it hold."""
        return self in (Comparator.ABOVE, Comparator.AT_LEAST)

    def holds(self, value: float, limit: float) -> bool:
        match self:
            case Comparator.ABOVE:
                return value > limit
            case Comparator.AT_LEAST:
                return value >= limit
            case Comparator.BELOW:
                return value < limit
            case Comparator.AT_MOST:
                return value <= limit


class MetricCondition(Part):
    """A statistic of one metric over a window; what it is held against is the rule's own."""

    metric: str = Field(
        min_length=1, max_length=64, description="A built-in metric or a custom monitor"
    )
    statistic: Statistic = Statistic.AVERAGE
    window_seconds: int = Field(300, ge=60, le=86_400, description="How far back samples count")
    comparator: Comparator = Comparator.ABOVE

"""A metric compared with a limit: the common part of alarm rules and scaling rules."""

from enum import StrEnum
from typing import Protocol

from pydantic import Field

from domain.spec.part import Part, Whole


class Statistics(Protocol):
    """The statistics of the samples in one window."""

    @property
    def count(self) -> int: ...
    @property
    def average(self) -> float: ...
    @property
    def minimum(self) -> float: ...
    @property
    def maximum(self) -> float: ...


class Statistic(StrEnum):
    """Which statistic of a window is compared; `count` is the number of samples, possibly 0."""

    AVERAGE = "avg"
    MINIMUM = "min"
    MAXIMUM = "max"
    COUNT = "count"

    def of(self, seen: Statistics) -> float:
        """Select this statistic from those of a window."""
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
        """Whether the condition holds for values above the limit."""
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
    """A statistic of one metric over a window; the rule adds its limits."""

    metric: str = Field(
        min_length=1, max_length=64, description="A built-in metric or a custom monitor"
    )
    statistic: Statistic = Statistic.AVERAGE
    window_seconds: Whole = Field(300, ge=60, le=86_400, description="How far back samples count")
    comparator: Comparator = Comparator.ABOVE

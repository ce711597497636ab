"""The scaling policy of a group: bounds, signals, pauses between changes."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from domain.kernel.names import MASTERS, NODES
from domain.spec.conditions import Comparator, MetricCondition, Statistic
from domain.spec.metrics import PODS
from domain.spec.part import ListOfOne, Number, Part, Switch, TimeOfDay, Whole

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


RuleStatistic = Literal[Statistic.AVERAGE, Statistic.MINIMUM, Statistic.MAXIMUM]
"""How the samples of all nodes become one number; their count is no measure of load."""


class Choice(StrEnum):
    """Which machine of a group is removed first."""

    EMPTIEST = "emptiest"
    NEWEST = "newest"
    OLDEST = "oldest"


class MetricRule(MetricCondition):
    """Add or remove machines when a metric of the group's nodes crosses a threshold."""

    metric: str = Field(PODS, min_length=1, description="A built-in metric or a custom monitor")
    statistic: RuleStatistic = Field(
        Statistic.AVERAGE, description="avg of the nodes' averages, or smallest or largest sample"
    )
    window_seconds: Whole = Field(60, ge=60, le=86_400, description="How far back samples count")
    comparator: Comparator
    threshold: Number = Field(allow_inf_nan=False, description="In the unit of the metric")
    step: Whole = Field(ge=-100, le=100, description="Machines to add, or below zero to remove")

    @field_validator("statistic", mode="before")
    @classmethod
    def _of_values(cls, statistic: object) -> object:
        if statistic not in get_args(RuleStatistic):
            raise ValueError(f"{statistic!s} is not a statistic of a rule; use avg, min or max")
        return statistic

    @field_validator("step")
    @classmethod
    def _something(cls, step: int) -> int:
        if step == 0:
            raise ValueError("a step of 0 does nothing; use 1 to add or -1 to remove")
        return step

    @property
    def adds(self) -> bool:
        return self.step > 0

    @property
    def title(self) -> str:
        """Such as `avg podsNum over 60 s > 32: +1`."""
        return (
            f"{self.statistic} {self.metric} over {self.window_seconds} s "
            f"{self.comparator} {self.threshold:g}: {self.step:+}"
        )

    def holds(self, value: float) -> bool:
        return self.comparator.holds(value, self.threshold)


class LowUse(Part):
    """Remove a node with low use: requested CPU, memory and places are all below the share."""

    share: Number = Field(0.5, gt=0, le=1, description="Share of the node's capacity for pods")
    seconds: Whole = Field(
        600, ge=0, le=86_400, description="For how long the use must have been low"
    )


class ScheduleWindow(Part):
    """Other bounds at certain hours; where windows overlap, the higher bound counts."""

    days: Annotated[tuple[Day, ...], ListOfOne] = Field(
        DAYS, min_length=1, description="The days on which it begins"
    )
    start: TimeOfDay = Field(description="Such as 08:00")
    end: TimeOfDay = Field(description="Such as 20:00; before `start` it means the next day")
    time_zone: str = Field("Asia/Shanghai", description="Name of the zone of both times")
    minimum: Whole | None = Field(None, ge=0, le=5000, description="At least this many machines")
    maximum: Whole | None = Field(None, ge=1, le=5000, description="At most this many machines")

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r} is not a time zone such as Asia/Shanghai or UTC") from None
        return name

    @model_validator(mode="after")
    def _changes_bounds(self) -> Self:
        if self.start == self.end:
            raise ValueError("start and end are the same; use 00:00 to 23:59:59 for a whole day")
        if self.minimum is None and self.maximum is None:
            raise ValueError("a window must set minimum or maximum, or both")
        _check_bounds(self.minimum, self.maximum)
        return self


class BackOff(Part):
    """The pause before a failed launch is retried; doubled with each failure."""

    first_seconds: Whole = Field(60, ge=1, le=86_400, description="After the first failure")
    longest_seconds: Whole = Field(1800, ge=1, le=86_400, description="At most")

    def after(self, failures: int) -> float:
        """Seconds to wait after this number of failures in a row."""
        return float(min(self.first_seconds * 2.0 ** min(failures - 1, 20), self.longest_seconds))


class RepairMode(StrEnum):
    """What happens to a broken machine after a time."""

    OFF = "off"
    REPLACE = "replace"


class Repair(Part):
    """Remove broken machines; the group grows again where minimum, pods or rules need it."""

    mode: RepairMode = Field(
        RepairMode.REPLACE, description="`off` only names them; `replace` removes them"
    )
    after_seconds: Whole = Field(
        600, ge=60, le=86_400, description="For how long a machine must have been broken"
    )
    most_an_hour: Whole = Field(3, ge=1, le=100, description="Machines removed within an hour")

    @field_validator("mode", mode="before")
    @classmethod
    def _off_without_quotes(cls, mode: object) -> object:
        """Take YAML's unquoted `off`, which is `false` by YAML 1.1; refuse `on` by name."""
        if mode is False:
            return RepairMode.OFF
        if mode is True:
            raise ValueError("`on` is not a mode of repairs; use replace or off")
        return mode


class ScalingPolicy(Part):
    """When one group grows and shrinks."""

    group: str = Field(NODES, description="The group of machines")
    minimum: Whole | None = Field(None, ge=0, le=5000, description="As the group's, if not given")
    maximum: Whole | None = Field(None, ge=1, le=5000, description="As the group's, if not given")
    pods_per_node: Whole | None = Field(
        None, ge=1, le=250, description="Workload pods that a node takes; the group's, if not given"
    )
    rules: tuple[MetricRule, ...] = Field((), max_length=20, description="Metric rules")
    pending_pods: Switch = Field(
        True, description="Add at once the machines that pending pods need"
    )
    least_priority: Whole = Field(
        -10,
        ge=-(2**31),
        le=1_000_000_000,
        description="Pods of a lower priority buy no machine and keep none",
    )
    low_use: LowUse | None = Field(None, description="Remove nodes with low use")
    schedule: tuple[ScheduleWindow, ...] = Field(
        (), max_length=50, description="Other bounds at certain hours"
    )
    interval_seconds: Whole = Field(
        60,
        ge=1,
        le=3600,
        description="Between evaluations of the metric rules; pending pods do not wait for it",
    )
    cooldown_out_seconds: Whole = Field(60, ge=0, le=86_400, description="Between two additions")
    cooldown_in_seconds: Whole = Field(
        300, ge=0, le=86_400, description="From any change to the next removal"
    )
    boot_seconds: Whole = Field(
        900, ge=60, le=7200, description="For how long a machine without a node counts as booting"
    )
    drain_seconds: Whole = Field(
        360, ge=1, le=7200, description="A node that is not empty by then is uncordoned"
    )
    back_off: BackOff = BackOff()
    repair: Repair = Repair()
    most_not_ready: Number = Field(
        0.33,
        ge=0,
        le=1,
        description="Above this share of broken machines and NotReady nodes nothing is removed",
    )
    exempt: Annotated[tuple[str, ...], ListOfOne] = Field(
        (),
        description="Machine ids or node names that are never removed; `*` is a wildcard",
    )
    remove_first: Choice = Choice.EMPTIEST
    instance_types: Annotated[tuple[str, ...], ListOfOne] = Field(
        (), description="In this order, when one is out of stock; the group's own, if not given"
    )

    @field_validator("group")
    @classmethod
    def _of_nodes(cls, group: str) -> str:
        if group == MASTERS:
            raise ValueError(f"{MASTERS} cannot be scaled, only groups of nodes can")
        return group

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        _check_bounds(self.minimum, self.maximum)
        return self

    @property
    def windows(self) -> Mapping[int, tuple[str, ...]]:
        """Which metrics are read over which windows, in seconds."""
        wanted: dict[int, set[str]] = {}
        for rule in self.rules:
            wanted.setdefault(rule.window_seconds, set()).add(rule.metric)
        return {seconds: tuple(sorted(metrics)) for seconds, metrics in sorted(wanted.items())}


def _check_bounds(minimum: int | None, maximum: int | None) -> None:
    if minimum is not None and maximum is not None and minimum > maximum:
        raise ValueError(f"minimum {minimum} is above maximum {maximum}")

"""When to raise an alarm: what a rule says, and the rules that every cluster has."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from domain.alarms.catalog import AT_MAXIMUM, CERTIFICATE_DAYS, MACHINES_MISSING, QUOTA_NODES
from domain.metrics.records import Per
from domain.part import Part


class Statistic(StrEnum):
    """What of a window's samples is compared; `count` is how many there are, 0 included."""

    AVERAGE = "average"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    COUNT = "count"


class Comparator(StrEnum):
    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="

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


class Level(StrEnum):
    WARNING = "warning"
    ERROR = "error"


class AlarmRule(Part):
    """Compare a statistic of one metric with two limits."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$", description="Lower-case, with dashes")
    metric: str = Field(min_length=1, max_length=64, description="Such as cpu, podsNum")
    statistic: Statistic = Statistic.AVERAGE
    window: int = Field(300, ge=60, le=86400, description="Seconds that the statistic looks back")
    comparator: Comparator = Comparator.ABOVE
    warning: float | None = Field(None, description="Limit of a warning; none without one")
    error: float | None = Field(None, description="Limit of an error; none without one")
    per: Per = Field(Per.MACHINE, description="What has an alarm of its own")
    group: str = Field("", description="Only this group; all where empty")
    hold: int = Field(0, ge=0, le=86400, description="Seconds for which it must hold, unbroken")
    enabled: bool = True
    title: str = Field("", max_length=80, description="What is wrong, in English")
    title_zh: str = Field("", max_length=80, description="The same in Chinese")

    @model_validator(mode="after")
    def _limits(self) -> Self:
        warning, error = self.warning, self.error
        if warning is None and error is None:
            raise ValueError("give a limit: warning, error, or both")
        if warning is not None and error is not None and warning != error:
            rising = self.comparator in (Comparator.ABOVE, Comparator.AT_LEAST)
            if (error > warning) is not rising:
                side = "above" if rising else "below"
                raise ValueError(
                    f"error {error:g} must be {side} warning {warning:g}, "
                    f"because the comparator is {self.comparator}"
                )
        return self

    def level_of(self, value: float) -> Level | None:
        """The level that a value deserves; None where all is well."""
        if self.error is not None and self.comparator.holds(value, self.error):
            return Level.ERROR
        if self.warning is not None and self.comparator.holds(value, self.warning):
            return Level.WARNING
        return None


BUILT_IN = (
    AlarmRule(
        name="node-not-ready",
        metric="ready",
        statistic=Statistic.MAXIMUM,  # not once Ready in the window
        window=120,
        comparator=Comparator.BELOW,
        error=1,
        hold=60,
        title="node is not Ready",
        title_zh="节点未就绪",
    ),
    AlarmRule(
        name="machine-lost",
        metric=MACHINES_MISSING.name,
        statistic=Statistic.MINIMUM,
        window=120,
        hold=600,  # while `scale` removes several, the description still has the old count
        comparator=Comparator.AT_LEAST,
        error=1,
        per=Per.GROUP,
        title="fewer machines run than are wanted",
        title_zh="运行的虚机少于期望数量",
    ),
    AlarmRule(
        name="certificate-expiry",
        metric=CERTIFICATE_DAYS.name,
        statistic=Statistic.MINIMUM,
        window=3600,
        comparator=Comparator.BELOW,
        warning=30,
        error=7,
        per=Per.CLUSTER,
        title="a certificate ends soon",
        title_zh="证书即将到期",
    ),
    AlarmRule(
        name="no-samples",
        metric="ready",
        statistic=Statistic.COUNT,
        window=300,
        comparator=Comparator.BELOW,
        error=1,
        per=Per.GROUP,
        hold=120,  # a new cluster has none yet
        title="no samples arrive",
        title_zh="没有监控数据",
    ),
    AlarmRule(
        name="at-maximum",
        metric=AT_MAXIMUM.name,
        statistic=Statistic.MINIMUM,
        window=120,
        comparator=Comparator.AT_LEAST,
        warning=1,
        per=Per.GROUP,
        hold=600,
        title="the group is at its maximum, scaling cannot add",
        title_zh="虚机组已达上限，无法继续扩容",
    ),
    AlarmRule(
        name="quota-nearly-used",
        metric=QUOTA_NODES.name,
        statistic=Statistic.MINIMUM,
        window=900,
        comparator=Comparator.BELOW,
        warning=3,
        error=1,
        per=Per.GROUP,
        title="the quota allows few more machines",
        title_zh="配额即将用尽",
    ),
)
"""The rules of every cluster; a rule of the same name in the description replaces one."""


def distinct(rules: tuple[AlarmRule, ...]) -> tuple[AlarmRule, ...]:
    """Refuse two rules of one name. Raises `ValueError`."""
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{names.count(name)} rules are named {name}; give each its own name")
    return rules


def rules_in_force(own: Iterable[AlarmRule]) -> tuple[AlarmRule, ...]:
    """The built-in rules with a cluster's own laid over them by name; without the disabled."""
    rules = {rule.name: rule for rule in (*BUILT_IN, *own)}
    return tuple(rule for rule in rules.values() if rule.enabled)

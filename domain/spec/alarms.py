"""When to raise an alarm: the fields of a rule, and the rules that every cluster has."""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from domain.spec import metrics as catalog
from domain.spec.conditions import Comparator, MetricCondition, Statistic
from domain.spec.metrics import Per
from domain.spec.part import Number, Switch, Whole


class Level(StrEnum):
    WARNING = "warning"
    ERROR = "error"


class AlarmRule(MetricCondition):
    """Compare a statistic of one metric with two limits."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$", description="Lower-case, with dashes")
    warning: Number | None = Field(
        None, allow_inf_nan=False, description="Limit of a warning; none without one"
    )
    error: Number | None = Field(
        None, allow_inf_nan=False, description="Limit of an error; none without one"
    )
    per: Per = Field(
        Per.MACHINE,
        description="What has an alarm of its own; as fine as the metric, if not given",
    )
    group: str = Field("", description="Only this group; all where empty")
    hold_seconds: Whole = Field(
        0, ge=0, le=86_400, description="For how long it must hold, unbroken"
    )
    enabled: Switch = Field(True, description="Off for a built-in rule that is not wanted")
    title: str = Field("", max_length=80, description="What is wrong, in English")
    title_zh: str = Field("", max_length=80, description="The same in Chinese")

    @model_validator(mode="before")
    @classmethod
    def _as_fine_as_its_metric(cls, document: object) -> object:
        if not isinstance(document, Mapping) or "per" in document:
            return document
        known = catalog.BUILT_IN.get(str(document.get("metric")))
        return {**document, "per": known.per} if known else document

    @model_validator(mode="after")
    def _matches_its_metric(self) -> Self:
        known = catalog.BUILT_IN.get(self.metric)
        if known and not known.per.is_at_least_as_fine_as(self.per):
            raise ValueError(f"{self.metric} is measured per {known.per}, not per {self.per}")
        if self.group and self.per is Per.CLUSTER:
            raise ValueError(f"{self.name} has no group, as it is per cluster")
        return self

    @model_validator(mode="after")
    def _limits(self) -> Self:
        warning, error = self.warning, self.error
        if warning is None and error is None:
            raise ValueError("give a limit: warning, error, or both")
        if warning is None or error is None or warning == error:
            return self
        if (error > warning) is not self.comparator.is_upward:
            side = "above" if self.comparator.is_upward else "below"
            raise ValueError(
                f"error {error:g} must be {side} warning {warning:g}, "
                f"because the comparator is {self.comparator}"
            )
        return self

    def level_of(self, value: float) -> Level | None:
        """The level that a value reaches; None where it reaches no limit."""
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
        window_seconds=120,
        comparator=Comparator.BELOW,
        error=1,
        hold_seconds=60,
        title="node is not Ready",
        title_zh="节点未就绪",
    ),
    AlarmRule(
        name="machine-lost",
        metric=catalog.MACHINES_MISSING.name,
        statistic=Statistic.MINIMUM,
        window_seconds=120,
        hold_seconds=600,  # while `scale` removes several, the description still has the old count
        comparator=Comparator.AT_LEAST,
        error=1,
        per=Per.GROUP,
        title="fewer machines run than are wanted",
        title_zh="运行的虚机少于期望数量",
    ),
    AlarmRule(
        name="certificate-expiry",
        metric=catalog.CERTIFICATE_DAYS.name,
        statistic=Statistic.MINIMUM,
        window_seconds=3600,
        comparator=Comparator.BELOW,
        warning=30,
        error=7,
        per=Per.CLUSTER,
        title="a certificate ends soon",
        title_zh="证书即将到期",
    ),
    AlarmRule(
        name="backup-old",
        metric=catalog.BACKUP_LATE.name,
        statistic=Statistic.MINIMUM,
        window_seconds=900,
        comparator=Comparator.ABOVE,
        error=0,
        per=Per.CLUSTER,
        title="the last good backup is too old",
        title_zh="最近一次成功的备份已过期",
    ),
    AlarmRule(
        name="no-samples",
        metric="ready",
        statistic=Statistic.COUNT,
        window_seconds=300,
        comparator=Comparator.BELOW,
        error=1,
        per=Per.GROUP,
        hold_seconds=120,  # a new cluster has none yet
        title="no samples arrive",
        title_zh="没有监控数据",
    ),
    AlarmRule(
        name="at-maximum",
        metric=catalog.AT_MAXIMUM.name,
        statistic=Statistic.MINIMUM,
        window_seconds=120,
        comparator=Comparator.AT_LEAST,
        warning=1,
        per=Per.GROUP,
        hold_seconds=600,
        title="the group is at its maximum, scaling cannot add",
        title_zh="虚机组已达上限，无法继续扩容",
    ),
    AlarmRule(
        name="quota-nearly-used",
        metric=catalog.QUOTA_NODES.name,
        statistic=Statistic.MINIMUM,
        window_seconds=900,
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
    """Reject two rules of one name. Raises `ValueError`."""
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{names.count(name)} rules are named {name}; give each its own name")
    return rules


def find_unmeasured(rules: Iterable[AlarmRule], custom: Collection[str]) -> AlarmRule | None:
    """Find the first rule about a metric that nothing measures, so that it would never fire.

    Args:
        custom: names of the cluster's own monitors.

    Returns:
        The rule, or None where every metric is measured.
    """
    known = {*catalog.BUILT_IN, *custom}
    return next((rule for rule in rules if rule.metric not in known), None)


def rules_in_force(own: Iterable[AlarmRule]) -> tuple[AlarmRule, ...]:
    """The enabled rules; a rule of the cluster replaces the built-in one of its name."""
    rules = {rule.name: rule for rule in (*BUILT_IN, *own)}
    return tuple(rule for rule in rules.values() if rule.enabled)

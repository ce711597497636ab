"""Readings of the metric rules: one number for each, over the nodes of the group."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from domain.autoscaling.decision import Reading, Reason
from domain.autoscaling.see.snapshot import SeenNode, Snapshot
from domain.spec.conditions import Statistic
from domain.spec.metrics import PODS
from domain.spec.scaling import MetricRule, RuleStatistic

CLOCK_SLACK = timedelta(seconds=60)
"""Samples from further in the future come from a wrong clock."""


@dataclass(frozen=True, slots=True)
class NodeValue:
    """One node's samples of a metric within a window."""

    average: float
    smallest: float
    largest: float


@dataclass(frozen=True, slots=True)
class Values:
    """A metric on all measured nodes; `missing` are those without a sample."""

    by_node: Mapping[str, NodeValue]
    missing: tuple[str, ...]


def read_values(snapshot: Snapshot, rule: MetricRule, nodes: Sequence[SeenNode]) -> Values:
    """Collect the values of a rule's metric over its window.

    Workload pods are counted in the snapshot as well, so that they are never missing and new nodes
    count at once.
    """
    wanted = {node.name for node in nodes}
    found = {
        line.machine: NodeValue(line.average, line.minimum, line.maximum)
        for line in snapshot.statistics.get(rule.window_seconds, ())
        if line.metric == rule.metric
        and line.machine in wanted
        and line.count > 0
        and line.latest <= snapshot.time + CLOCK_SLACK
    }
    if rule.metric == PODS:
        weights = {
            line.machine: line.count
            for line in snapshot.statistics.get(rule.window_seconds, ())
            if line.metric == PODS
        }
        for node in nodes:
            now = node.count_workload()
            found[node.name] = _with(found.get(node.name), now, weights.get(node.name, 0))
    missing = tuple(node.name for node in nodes if node.name not in found)
    return Values(found, missing)


def _with(before: NodeValue | None, now: float, weight: int) -> NodeValue:
    if before is None:
        return NodeValue(now, now, now)
    average = (before.average * weight + now) / (weight + 1)
    return NodeValue(average, min(before.smallest, now), max(before.largest, now))


def read_rule(rule: MetricRule, values: Values) -> Reading:
    """Evaluate a rule.

    Where samples are missing, a rule that removes does not fire. One that adds fires if it would
    for every possible, non-negative value of the missing samples.
    """
    known = list(values.by_node.values())
    if not known and not values.missing:
        return Reading(rule.title, None, rule.threshold, obstacle=Reason.NO_NODES)
    if not known:
        return Reading(rule.title, None, rule.threshold, obstacle=Reason.UNKNOWN_METRIC)
    value = combine(rule.statistic, known)
    if not values.missing:
        return Reading(rule.title, value, rule.threshold, rule.holds(value))
    fires = rule.adds and rule.comparator.is_upward and _holds_for_any(rule, known, values)
    return Reading(rule.title, value, rule.threshold, fires, Reason.SAMPLES_MISSING)


def combine(statistic: RuleStatistic, known: Sequence[NodeValue]) -> float:
    """Combine the values of nodes; each node has the same weight, whatever its samples."""
    match statistic:
        case Statistic.AVERAGE:
            return sum(value.average for value in known) / len(known)
        case Statistic.MINIMUM:
            return min(value.smallest for value in known)
        case Statistic.MAXIMUM:
            return max(value.largest for value in known)


def _holds_for_any(rule: MetricRule, known: Sequence[NodeValue], values: Values) -> bool:
    match rule.statistic:
        case Statistic.AVERAGE:
            whole = len(known) + len(values.missing)
            return rule.holds(sum(value.average for value in known) / whole)
        case Statistic.MAXIMUM:
            return rule.holds(combine(rule.statistic, known))
        case Statistic.MINIMUM:
            return False


def would_still_add(rule: MetricRule, values: Values, booting: int) -> bool:
    """Whether a rule that adds would fire if the booting machines had joined, still empty."""
    if not booting:
        return True
    if not rule.comparator.is_upward:
        return False  # a new machine may raise the value by any amount
    known = list(values.by_node.values())
    match rule.statistic:
        case Statistic.AVERAGE:
            whole = len(known) + booting
            return rule.holds(sum(value.average for value in known) / whole)
        case Statistic.MINIMUM:
            return rule.holds(min(0.0, combine(rule.statistic, known)))
        case Statistic.MAXIMUM:
            # A new machine does not relieve the fullest one; wait for its effect.
            return False


def values_after_removal(
    rule: MetricRule, values: Values, leaving: str, most_on_a_node: float | None
) -> Iterator[float]:
    """Yield the lowest and highest possible value after a removal, wherever the node's load goes.

    Args:
        most_on_a_node: the metric's limit on a node; None where it is unknown.
    """
    others = [value for name, value in values.by_node.items() if name != leaving]
    if not others:
        return
    gone = values.by_node.get(leaving, NodeValue(0, 0, 0))
    now = combine(rule.statistic, others)
    yield now
    match rule.statistic:
        case Statistic.AVERAGE:
            yield now + gone.average / len(others)
        case Statistic.MINIMUM:
            # The smallest is at most the average, wherever the load goes.
            yield combine(Statistic.AVERAGE, others) + gone.largest / len(others)
        case Statistic.MAXIMUM:
            most = now + gone.largest
            yield most if most_on_a_node is None else max(now, min(most, most_on_a_node))

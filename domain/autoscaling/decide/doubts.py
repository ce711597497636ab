"""Warnings about a policy, in sentences, before it is switched on."""

from collections.abc import Collection, Iterator
from itertools import pairwise

from domain.autoscaling.decide.bounds import Bounds
from domain.spec.conditions import Statistic
from domain.spec.metrics import BUILT_IN, PODS, Per
from domain.spec.scaling import MetricRule, ScalingPolicy, ScheduleWindow


def find_doubts(
    policy: ScalingPolicy,
    group: Bounds,
    custom_metrics: Collection[str] = (),
    pods_per_node: int = 40,
) -> tuple[str, ...]:
    """List what cannot work in a policy, or can never settle; empty where nothing was found.

    A policy with doubts is still safe to run: the guards of removals do not depend on it.

    Args:
        group: the bounds of the group's description.
        custom_metrics: names of the cluster's custom monitors.
        pods_per_node: the largest number of workload pods on a node of the group.
    """
    places = min(policy.pods_per_node or pods_per_node, pods_per_node)
    return (
        *_bounds(policy, group),
        *_places(policy, pods_per_node),
        *_metrics(policy, custom_metrics),
        *_one_way(policy),
        *(doubt for metric in _metrics_of(policy) for doubt in _thresholds(policy, metric, places)),
        *_ping_pong(policy, group),
    )


def _bounds(policy: ScalingPolicy, group: Bounds) -> Iterator[str]:
    own = f"the group's bounds, {group.minimum} to {group.maximum}"
    windows = [(f"schedule window {n}: ", w) for n, w in enumerate(policy.schedule, 1)]
    both: list[tuple[str, ScalingPolicy | ScheduleWindow]] = [("", policy), *windows]
    for where, bounds in both:
        for name, value in (("minimum", bounds.minimum), ("maximum", bounds.maximum)):
            if value is not None and not group.minimum <= value <= group.maximum:
                yield f"{where}{name} {value} is outside {own}, which count"
    maximum = group.maximum if policy.maximum is None else policy.maximum
    minimum = group.minimum if policy.minimum is None else policy.minimum
    for where, window in windows:
        low = minimum if window.minimum is None else window.minimum
        high = maximum if window.maximum is None else window.maximum
        if low > high:
            yield f"{where}minimum {low} is above maximum {high}, so nothing would change then"
    if minimum == maximum and not policy.schedule:
        yield f"minimum and maximum are both {minimum}, so the size never changes"
    if minimum > maximum:
        yield f"minimum {minimum} is above maximum {maximum}, so nothing ever changes"


def _places(policy: ScalingPolicy, pods_per_node: int) -> Iterator[str]:
    if policy.pods_per_node and policy.pods_per_node > pods_per_node:
        yield (
            f"pods_per_node {policy.pods_per_node} is more than the {pods_per_node} that the "
            "group's nodes take, which count"
        )


def _metrics(policy: ScalingPolicy, custom: Collection[str]) -> Iterator[str]:
    for metric in _metrics_of(policy):
        known = BUILT_IN.get(metric)
        if known is None and metric not in custom:
            yield (
                f"no monitor measures {metric!r}, so its rules never hold and those that add keep "
                "all machines; add a custom monitor of that name, or correct it"
            )
        elif known and known.per is not Per.MACHINE:
            yield f"{metric} is measured for the whole {known.per}, not for each node; use {PODS}"


def _one_way(policy: ScalingPolicy) -> Iterator[str]:
    if not policy.pending_pods and not any(rule.adds for rule in policy.rules):
        yield "nothing adds machines; switch pending_pods on, or give a rule a step above 0"
    if policy.low_use is None and all(rule.adds for rule in policy.rules):
        yield "nothing removes machines; give low_use, or a rule with a step below 0"
    for rule in policy.rules:
        if rule.adds and rule.statistic is Statistic.MAXIMUM and rule.comparator.is_upward:
            yield (
                f"{rule.title}: a new machine takes nothing off the fullest node, so one busy "
                "node can bring the group to its maximum; use avg"
            )


def _thresholds(policy: ScalingPolicy, metric: str, places: int) -> Iterator[str]:
    """Try loads that are spread evenly, where average, smallest and largest are the same."""
    rules = [rule for rule in policy.rules if rule.metric == metric]
    most = float(places) if metric == PODS else None
    probes = _probes(rules, most)
    never = [rule for rule in rules if not any(rule.holds(value) for value in probes)]
    for rule in never:
        yield f"{rule.title}: it can never hold, as {metric} of a node is 0 to {most or 0:g}"
    if all(any(rule.holds(value) for rule in rules) for value in probes):
        yield (
            f"no evenly spread load can make the group rest: whatever {metric} is, one of its "
            "rules holds; move their thresholds apart"
        )
    for up in (rule for rule in rules if rule.adds):
        for down in (rule for rule in rules if not rule.adds):
            both = [value for value in probes if up.holds(value) and down.holds(value)]
            if both:
                yield (
                    f"at {metric} {both[0]:g} two rules contradict each other, {up.title} and "
                    f"{down.title}; the one that adds wins"
                )


def _ping_pong(policy: ScalingPolicy, group: Bounds) -> Iterator[str]:
    """Yield pairs of rules that undo each other at every size, not only at small ones."""
    maximum = min(group.maximum, policy.maximum or group.maximum)
    for up in policy.rules:
        before = maximum - up.step
        if not up.adds or not up.comparator.is_upward or before < 1:
            continue
        after = up.threshold * before / maximum
        for down in policy.rules:
            one = down.metric == up.metric and not down.adds and not down.holds(up.threshold)
            if one and not down.comparator.is_upward and down.holds(after):
                yield (
                    f"{up.title} and {down.title} undo each other at every size: even from "
                    f"{before} to {maximum} machines the value falls from {up.threshold:g} to "
                    f"{after:.3g}; only the guards keep the group at rest"
                )


def _probes(rules: list[MetricRule], most: float | None) -> list[float]:
    """Values on, between and beyond all thresholds, within what is possible."""
    marks = sorted({rule.threshold for rule in rules})
    between = [(low + high) / 2 for low, high in pairwise(marks)]
    probes = [*marks, *between, marks[0] - 1, marks[-1] + 1]
    if most is None:
        return sorted(probes)
    return sorted({0.0, most, *(value for value in probes if 0 <= value <= most)})


def _metrics_of(policy: ScalingPolicy) -> list[str]:
    return list(dict.fromkeys(rule.metric for rule in policy.rules))

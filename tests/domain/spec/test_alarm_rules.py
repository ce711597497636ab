import math

import pytest

from domain.kernel.errors import InvalidSpec
from domain.spec.alarms import BUILT_IN, Level, rules_in_force
from domain.spec.cluster import ClusterSpec, parse_spec
from domain.spec.conditions import Comparator
from domain.spec.metrics import Per
from tests.domain.observe.alarms.alarm_makers import make_rule


def test_every_issue_has_a_built_in_rule() -> None:
    assert {rule.name for rule in BUILT_IN} == {
        "node-not-ready",
        "machine-lost",
        "certificate-expiry",
        "backup-old",
        "no-samples",
        "at-maximum",
        "quota-nearly-used",
    }


def test_built_in_rules_have_titles_in_both_languages() -> None:
    assert all(rule.title and rule.title_zh for rule in BUILT_IN)


def test_cluster_without_own_rules_has_the_built_in_ones() -> None:
    assert rules_in_force(ClusterSpec().alarms) == BUILT_IN


def test_own_rule_replaces_the_built_in_one_of_its_name() -> None:
    own = make_rule(name="at-maximum")
    assert [rule for rule in rules_in_force([own]) if rule.name == "at-maximum"] == [own]


def test_disabled_rule_is_not_in_force() -> None:
    off = make_rule(name="at-maximum", enabled=False)
    assert len(rules_in_force([off])) == len(BUILT_IN) - 1


@pytest.mark.parametrize(
    ("comparator", "value", "level"),
    [
        (Comparator.ABOVE, 80, None),
        (Comparator.AT_LEAST, 80, Level.WARNING),
        (Comparator.ABOVE, 80.1, Level.WARNING),
        (Comparator.ABOVE, 95, Level.WARNING),
        (Comparator.ABOVE, 96, Level.ERROR),
    ],
)
def test_value_has_the_level_of_the_highest_limit_that_it_passes(
    comparator: Comparator, value: float, level: Level | None
) -> None:
    assert make_rule(comparator=comparator).level_of(value) is level


def test_falling_limits_are_compared_from_above() -> None:
    rule = make_rule(comparator=Comparator.BELOW, warning=30, error=7)
    levels = [rule.level_of(value) for value in (31, 30, 29, 6)]
    assert levels == [None, None, Level.WARNING, Level.ERROR]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({}, "alarms.0: give a limit: warning, error, or both"),
        ({"warning": 90, "error": 80}, "error 80 must be above warning 90"),
        ({"warning": 5, "error": 9, "comparator": "<"}, "error 9 must be below warning 5"),
        ({"warning": 1, "window_seconds": 5}, "alarms.0.window_seconds"),
        ({"warning": 1, "colour": "red"}, "unknown key 'alarms.0.colour'"),
        ({"warning": math.nan}, "alarms.0.warning: .* finite"),
        (
            {"warning": 1, "group": "k8s-nodes"},
            "rule mine is about group 'k8s-nodes', which does not exist",
        ),
        ({"warning": 1, "per": "cluster", "group": "k8s-node"}, "no group, as it is per cluster"),
        ({"warning": 1, "metric": "podsPending", "per": "machine"}, "measured per cluster, not"),
        ({"warning": 1, "metric": "quotaNodes", "per": "machine"}, "measured per group, not"),
        ({"warning": 1, "metric": "podNum"}, "rule mine is about podNum, which nothing measures"),
    ],
    ids=[
        "no limit",
        "wrong order",
        "wrong order below",
        "short window",
        "unknown key",
        "not a number",
        "unknown group",
        "group of a cluster's rule",
        "finer than the cluster",
        "finer than the group",
        "unknown metric",
    ],
)
def test_invalid_rule_is_refused_with_the_reason(rule: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidSpec, match=sentence):
        parse_spec({"alarms": [{"name": "mine", "metric": "cpu"} | rule]})


def test_rule_of_a_custom_monitor_is_accepted() -> None:
    custom = [{"name": "nginxPods", "script": "echo 1"}]
    rule = {"name": "mine", "metric": "nginxPods", "warning": 1}
    [read] = parse_spec({"alarms": [rule], "monitoring": {"custom": custom}}).alarms
    assert read.per is Per.MACHINE


@pytest.mark.parametrize(
    ("metric", "per"),
    [("cpu", Per.MACHINE), ("quotaNodes", Per.GROUP), ("podsPending", Per.CLUSTER)],
)
def test_rule_without_per_is_grouped_as_its_metric(metric: str, per: Per) -> None:
    [rule] = parse_spec({"alarms": [{"name": "mine", "metric": metric, "warning": 1}]}).alarms
    assert rule.per is per


def test_two_rules_of_one_name_are_refused() -> None:
    rule = {"name": "mine", "metric": "cpu", "warning": 1}
    with pytest.raises(InvalidSpec, match="2 rules are named mine"):
        parse_spec({"alarms": [rule, rule]})


def test_description_with_rules_survives_being_stored() -> None:
    spec = parse_spec({"alarms": [{"name": "mine", "metric": "cpu", "warning": 1}]})
    assert parse_spec(spec.model_dump(mode="json")) == spec

"""Policies: what is accepted, what is refused, and what has doubts."""

from datetime import datetime, time
from typing import Any

import pytest

from domain.autoscaling.decide.bounds import Bounds, bounds_at, is_active
from domain.autoscaling.decide.doubts import find_doubts
from domain.kernel.errors import InvalidSpec
from domain.spec.presets import DEFAULT, PRESETS, parse_policy
from domain.spec.scaling import BackOff, ScalingPolicy, ScheduleWindow

GROUP = Bounds(0, 10)
UP = {"comparator": ">", "threshold": 32, "step": 1}
DOWN = {"comparator": "<", "threshold": 20, "step": -1}


def test_a_preset_can_be_changed_in_a_few_places() -> None:
    policy = parse_policy({"preset": "article-text", "maximum": 20})
    assert policy.maximum == 20
    assert policy.rules == PRESETS[DEFAULT].rules


def test_a_policy_survives_being_written() -> None:
    for preset in PRESETS.values():
        assert parse_policy(preset.model_dump(mode="json")) == preset


@pytest.mark.parametrize(
    ("document", "words"),
    [
        pytest.param({"preset": "mine"}, "known are article-text, article-screen", id="preset"),
        pytest.param({"maxmum": 3}, "unknown key 'maxmum'", id="typo"),
        pytest.param({"group": "k8s-master"}, "k8s-master cannot be scaled", id="masters stay"),
        pytest.param({"minimum": 5, "maximum": 3}, "minimum 5 is above maximum 3", id="bounds"),
        pytest.param({"rules": [{**UP, "step": 0}]}, "step of 0 does nothing", id="no step"),
        pytest.param({"rules": [{**UP, "comparator": "=="}]}, "rules.0.comparator", id="word"),
        pytest.param(
            {"rules": [{**UP, "threshold": float("nan")}]}, "rules.0.threshold", id="not a number"
        ),
        pytest.param(
            {"schedule": [{"start": "08:00", "end": "20:00", "minimum": 1, "time_zone": "Mars"}]},
            "'Mars' is not a time zone",
            id="time zone",
        ),
        pytest.param(
            {"schedule": [{"start": "08:00", "end": "08:00", "minimum": 1}]}, "the same", id="empty"
        ),
        pytest.param(
            {"schedule": [{"start": "08:00", "end": "09:00"}]}, "must set", id="moves nothing"
        ),
    ],
)
def test_invalid_policy_is_refused_with_a_correction(document: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        parse_policy(document)


def test_presets_have_no_doubts() -> None:
    for name, preset in PRESETS.items():
        assert find_doubts(preset, GROUP) == (), name


@pytest.mark.parametrize(
    ("document", "words"),
    [
        pytest.param(
            {"rules": [{**UP, "threshold": 20}, {**DOWN, "threshold": 30}]},
            "no evenly spread load can make the group rest",
            id="thresholds cross",
        ),
        pytest.param(
            {"rules": [{**UP, "threshold": 20}, {**DOWN, "threshold": 30}]},
            "contradict each other",
            id="both hold",
        ),
        pytest.param(
            {"rules": [{**UP, "comparator": ">="}, {**DOWN, "comparator": "<", "threshold": 32}]},
            "no evenly spread load",
            id="thresholds touch",
        ),
        pytest.param(
            {"rules": [UP, {**DOWN, "threshold": 31}]}, "undo each other", id="too close for ten"
        ),
        pytest.param({"rules": [{**UP, "threshold": 40}, DOWN]}, "can never hold", id="too high"),
        pytest.param({"rules": [UP, {**DOWN, "threshold": 0}]}, "can never hold", id="too low"),
        pytest.param(
            {"rules": [{**UP, "metric": "podsnum"}, DOWN]},
            "no monitor measures 'podsnum'",
            id="typo",
        ),
        pytest.param(
            {"rules": [{**UP, "metric": "podsPending"}, DOWN]}, "whole cluster", id="no node's"
        ),
        pytest.param({"rules": [UP]}, "nothing removes machines", id="only up"),
        pytest.param({"rules": [DOWN], "pending_pods": False}, "nothing adds", id="only down"),
        pytest.param(
            {"rules": [{**UP, "statistic": "max"}, DOWN]}, "nothing off the fullest", id="max"
        ),
        pytest.param({"preset": "pending", "maximum": 11}, "maximum 11 is outside", id="beyond"),
        pytest.param({"preset": "pending", "minimum": 11}, "above maximum 10", id="contradicts"),
        pytest.param(
            {"preset": "pending", "minimum": 10}, "size never changes", id="nothing to choose"
        ),
        pytest.param(
            {"preset": "pending", "maximum": 4,
             "schedule": [{"start": "08:00", "end": "20:00", "minimum": 6}]},
            "schedule window 1: minimum 6 is above maximum 4",
            id="schedule",
        ),
    ],
)  # fmt: skip
def test_policy_that_cannot_work_has_a_doubt(document: dict[str, Any], words: str) -> None:
    assert any(words in doubt for doubt in find_doubts(parse_policy(document), GROUP))


def test_more_pods_than_a_node_takes_are_a_doubt() -> None:
    policy = parse_policy({"preset": "article-text", "pods_per_node": 60})
    assert "pods_per_node 60 is more than the 40" in find_doubts(policy, GROUP)[0]
    assert "can never hold" in find_doubts(PRESETS[DEFAULT], GROUP, pods_per_node=30)[0]


def test_a_custom_monitor_is_a_known_metric() -> None:
    policy = parse_policy({"rules": [{**UP, "metric": "queue"}, DOWN]})
    assert find_doubts(policy, GROUP, custom_metrics={"queue"}) == ()


NIGHT = ScheduleWindow(days=("fri",), start=time(22), end=time(6), time_zone="UTC", maximum=3)


@pytest.mark.parametrize(
    ("moment", "active"),
    [
        pytest.param("2026-11-06T21:59+00:00", False, id="before"),
        pytest.param("2026-11-06T22:00+00:00", True, id="friday night"),
        pytest.param("2026-11-07T05:59+00:00", True, id="until saturday morning"),
        pytest.param("2026-11-07T06:00+00:00", False, id="after"),
        pytest.param("2026-11-06T05:00+00:00", False, id="friday morning is thursday's night"),
    ],
)
def test_window_across_midnight_belongs_to_the_day_of_its_start(moment: str, active: bool) -> None:
    assert is_active(NIGHT, datetime.fromisoformat(moment)) is active


def test_the_higher_bound_of_windows_that_overlap_counts() -> None:
    day = ScheduleWindow(start=time(0), end=time(23), time_zone="UTC", minimum=2, maximum=8)
    noon = ScheduleWindow(start=time(11), end=time(13), time_zone="UTC", minimum=4, maximum=6)
    policy = ScalingPolicy(schedule=(day, noon), minimum=1, maximum=5)
    moment = datetime.fromisoformat("2026-11-02T12:00+00:00")
    assert bounds_at(policy, GROUP, moment) == Bounds(4, 8)
    assert bounds_at(policy, Bounds(5, 7), moment) == Bounds(5, 7)


def test_back_off_doubles_up_to_its_longest() -> None:
    waits = [BackOff().after(failures) for failures in (1, 2, 3, 50)]
    assert waits == [60, 120, 240, 1800]


def test_windows_of_a_policy_are_those_of_its_rules() -> None:
    assert PRESETS["article-screen"].windows == {180: ("podsNum",)}

"""What is remembered from one decision to the next, and how it is told."""

from dataclasses import replace
from datetime import timedelta

import pytest
from scaling_makers import NOON, POLICY, make_line, make_node, make_pods, make_snapshot, quiet

from domain.autoscaling.decision import Reason, ScaleIn, ScaleOut
from domain.autoscaling.evaluation import decide
from domain.autoscaling.memory import (
    MOST_REMEMBERED,
    MOST_WATCHED,
    Memory,
    explain,
    launch_failed,
    parse_memory,
    removal_failed,
)
from domain.autoscaling.policy import LowUse, MetricRule, ScalingPolicy

MINUTE = timedelta(minutes=1)


def test_a_memory_survives_its_config_map() -> None:
    snapshot = make_snapshot(40, 40, pending=make_pods(2))
    _, memory = decide(snapshot, POLICY, Memory())
    memory = launch_failed(memory, NOON, "s1.large.r2", "out of stock", POLICY.back_off)
    memory = removal_failed(memory, NOON, "k8s-node-1")
    memory = replace(memory, idle_since={"k8s-node-2": NOON})
    assert parse_memory(memory.to_json()) == memory


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"evaluated_at": "yesterday"}'])
def test_a_memory_that_cannot_be_read_starts_anew(text: str) -> None:
    assert parse_memory(text) == Memory()


def test_an_older_memory_without_newer_fields_is_read() -> None:
    assert parse_memory('{"nodes": "abc"}').nodes == "abc"


def test_hours_of_the_same_hold_are_one_entry() -> None:
    memory = Memory()
    for minute in range(120):
        _, memory = decide(make_snapshot(30, 30, time=NOON + minute * MINUTE), POLICY, memory)
    (entry,) = memory.recent
    assert (entry.first, entry.last, entry.count) == (NOON, NOON + 119 * MINUTE, 120)
    assert entry.reason is Reason.ALL_WELL


def test_evaluations_between_the_rules_intervals_do_not_fill_the_memory() -> None:
    slow = POLICY.model_copy(update={"interval_seconds": 120})
    memory = Memory()
    for minute in range(60):
        _, memory = decide(make_snapshot(30, 30, time=NOON + minute * MINUTE), slow, memory)
    (entry,) = memory.recent
    assert (entry.reason, entry.last) == (Reason.ALL_WELL, NOON + 59 * MINUTE)


def test_it_is_told_what_was_decided_at_a_moment() -> None:
    _, memory = decide(make_snapshot(30, 30), POLICY, Memory())
    _, memory = decide(make_snapshot(40, 40, time=NOON + 5 * MINUTE), POLICY, memory)
    before, at, after = (explain(memory, NOON + n * MINUTE) for n in (-1, 3, 9))
    assert before is None
    assert at is not None
    assert (
        at.words == "stays at 2 machines, because every pod has room and no rule asks for a change"
    )
    assert "min podsNum over 60 s < 20: -1 (now 30)" in at.details
    assert after is not None
    assert (after.kind, after.target) == ("out", 3)


def test_a_memory_stays_small() -> None:
    idle = make_snapshot()
    nodes = tuple(make_node(number, 0) for number in range(1000))
    policy = ScalingPolicy(low_use=LowUse())
    memory = Memory()
    for minute in range(2 * MOST_REMEMBERED):
        pending = make_pods(50 + minute % 2) if minute % 2 else ()
        snapshot = replace(idle, nodes=nodes, pending=pending, time=NOON + minute * MINUTE)
        snapshot = replace(snapshot, maximum=0 if minute % 2 else 10)
        _, memory = decide(snapshot, policy, memory)
    assert len(memory.recent) <= MOST_REMEMBERED
    assert len(memory.idle_since) <= MOST_WATCHED
    assert len(memory.to_json()) < 100_000


def test_a_machine_that_had_to_come_back_is_a_lesson() -> None:
    """The metric does not follow the pods, so nothing could be known beforehand."""
    rules = (
        MetricRule.model_validate({"metric": "cpu", "comparator": ">", "threshold": 70, "step": 1}),
        MetricRule.model_validate(
            {"metric": "cpu", "comparator": "<", "threshold": 20, "step": -1}
        ),
    )
    policy = ScalingPolicy(rules=rules, cooldown_in_seconds=60)
    sizes = [4]
    memory = quiet(make_snapshot(10, 10, 10, 10), policy)
    acts: list[type] = []
    for minute in range(12 * 60):
        size = sizes[-1]
        value = 90.0 if size == 3 else 10.0
        pods = [40 // size + (number < 40 % size) for number in range(size)]
        lines = [make_line(f"k8s-node-{n}", value, "cpu") for n in range(1, size + 1)]
        snapshot = make_snapshot(*pods, statistics={60: lines}, time=NOON + minute * MINUTE)
        decision, memory = decide(snapshot, policy, memory)
        sizes.append(decision.target)
        if decision.target != size:
            acts.append(type(decision))
    assert acts == [ScaleIn, ScaleOut]
    assert memory.lesson is not None
    assert (memory.lesson.size, memory.lesson.pods) == (3, 40)
    assert memory.recent[-1].reason is Reason.CAME_BACK_BEFORE


def test_more_pods_than_at_the_removal_teach_nothing() -> None:
    _, memory = decide(make_snapshot(25, 10, 25), POLICY, quiet(make_snapshot(25, 10, 25)))
    assert memory.last_in is not None
    rising = make_snapshot(35, 40, time=NOON + 10 * MINUTE)
    decision, memory = decide(rising, POLICY, memory)
    assert isinstance(decision, ScaleOut)
    assert memory.lesson is None

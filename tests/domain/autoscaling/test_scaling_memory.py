"""The memory of decisions, and their explanation."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decide.explanation import ADVICE, explain, explain_latest
from domain.autoscaling.decision import Reason, ScaleIn, ScaleOut
from domain.autoscaling.memory.memory import MOST_WATCHED, Lesson, Memory, parse_memory
from domain.autoscaling.memory.remembering import (
    MOST_REMEMBERED,
    act_done,
    addition_began,
    addition_tried,
    launch_failed,
    removal_failed,
)
from domain.spec.scaling import LowUse, MetricRule, ScalingPolicy
from tests.domain.autoscaling.scaling_makers import (
    NOON,
    POLICY,
    make_line,
    make_node,
    make_pods,
    make_snapshot,
    quiet,
)

MINUTE = timedelta(minutes=1)


def test_a_memory_survives_its_config_map() -> None:
    snapshot = make_snapshot(40, 40, pending=make_pods(2))
    _, memory = decide(snapshot, POLICY, Memory())
    memory = addition_began(memory, NOON)
    memory = launch_failed(memory, NOON, "s1.large.r2", "out of stock", POLICY.back_off)
    memory = removal_failed(memory, NOON, "k8s-node-1", "a budget allows nothing")
    memory = replace(memory, idle_since={"k8s-node-2": NOON})
    assert parse_memory(memory.to_json()) == memory


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"evaluated_at": "yesterday"}'])
def test_unreadable_memory_is_an_empty_one(text: str) -> None:
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


def test_explanation_gives_the_decision_at_a_moment() -> None:
    _, memory = decide(make_snapshot(30, 30), POLICY, Memory())
    _, memory = decide(make_snapshot(40, 40, time=NOON + 5 * MINUTE), POLICY, memory)
    before, at, after = (explain(memory, NOON + n * MINUTE).decision for n in (-1, 3, 9))
    assert before == at  # the nearest one
    assert at is not None
    assert (
        at.words == "stays at 2 machines, because every pod has room and no rule asks for a change"
    )
    assert "min podsNum over 60 s < 20: -1 (now 30)" in at.details
    assert after is not None
    assert (after.kind, after.target) == ("out", 3)


def test_explanation_without_a_time_has_the_decisions_before_the_last_one() -> None:
    memory = Memory()
    assert explain_latest(memory, NOON).decision is None
    for minute, pods in enumerate((30, 40, 30)):
        snapshot = make_snapshot(pods, pods, time=NOON + minute * MINUTE)
        _, memory = decide(snapshot, POLICY, memory)
    found = explain_latest(memory, NOON + 3 * MINUTE)
    assert found.decision == memory.recent[-1]
    assert found.earlier == memory.recent[:-1]
    assert explain(memory, NOON - MINUTE).is_later
    assert not explain(memory, NOON + MINUTE).is_later


def test_explanation_names_a_time_without_evaluations() -> None:
    _, memory = decide(make_snapshot(30, 30), POLICY, Memory())
    found = explain(memory, NOON + timedelta(hours=3))
    assert found.unwatched_since == NOON
    _, memory = decide(make_snapshot(30, 30, time=NOON + timedelta(hours=4)), POLICY, memory)
    assert explain(memory, NOON + timedelta(hours=3)).unwatched_since == NOON
    now = explain(memory, NOON + timedelta(hours=4))
    assert now.unwatched_since is None
    assert now.decision is not None
    assert now.decision.count == 1


def test_explanation_gives_the_outcome_of_a_change() -> None:
    growing = make_snapshot(40, 40)
    decision, memory = decide(growing, POLICY, quiet(growing))
    assert "under way" in explain(memory, NOON).outcome
    assert explain(act_done(memory, decision), NOON).outcome == "done"
    failed = launch_failed(memory, NOON, "s1.large.r2", "sold out", POLICY.back_off)
    assert explain(failed, NOON).outcome == "failed: sold out"
    _, taken_over = decide(make_snapshot(40, 40, time=NOON + MINUTE), POLICY, memory)
    assert "ended before it was finished" in explain(taken_over, NOON).outcome


def test_reason_that_a_user_can_remove_has_advice() -> None:
    full = make_snapshot(40, 40, maximum=2, pending=make_pods(5))
    _, memory = decide(full, POLICY, quiet(full))
    assert explain(memory, NOON).advice == ADVICE[Reason.AT_MAXIMUM]
    assert "5 wait" in memory.recent[-1].words
    stuck = removal_failed(memory, NOON, "k8s-node-1", "a budget allows nothing")
    assert "budgets" not in explain(memory, NOON).advice
    removal = replace(stuck, recent=(replace(stuck.recent[-1], kind="in"),))
    assert "budgets" in explain(removal, NOON).advice
    fine = make_snapshot(30, 30)
    _, memory = decide(fine, POLICY, quiet(fine))
    assert explain(memory, NOON).advice == ""


def test_removals_wait_after_a_launch_that_failed() -> None:
    growing = make_snapshot(40, 40)
    _, memory = decide(growing, POLICY, quiet(growing))
    memory = launch_failed(memory, NOON, "s1.large.r2", "sold out", POLICY.back_off)
    fallen = make_snapshot(19, 19, time=NOON + MINUTE)
    decision, _ = decide(fallen, POLICY, memory)
    assert decision.basis.reason is Reason.COOLING_IN


def test_unfinished_addition_is_retried_at_once_and_then_each_minute() -> None:
    snapshot = make_snapshot(30, 30)
    _, memory = decide(snapshot, POLICY, addition_began(quiet(snapshot), NOON))
    assert memory.adding is not None
    assert memory.adding.is_due(NOON)
    _, memory = decide(snapshot, POLICY, addition_tried(memory, NOON + timedelta(hours=1)))
    assert memory.adding is not None
    assert not memory.adding.is_due(NOON + MINUTE / 2)
    assert memory.adding.is_due(NOON + MINUTE)


def test_lesson_of_a_wrong_clock_ends_within_a_day() -> None:
    lesson = Lesson(1, 0, NOON + timedelta(days=400))
    snapshot = make_snapshot(30, 30)
    _, memory = decide(snapshot, POLICY, quiet(snapshot, lesson=lesson))
    assert memory.lesson is not None
    assert memory.lesson.until == NOON + timedelta(days=1)


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


def test_addition_right_after_a_removal_is_a_lesson() -> None:
    """The metric does not follow the pods, so the effect cannot be predicted."""
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


def test_addition_for_more_pods_is_not_a_lesson() -> None:
    _, memory = decide(make_snapshot(25, 10, 25), POLICY, quiet(make_snapshot(25, 10, 25)))
    assert memory.last_in is not None
    rising = make_snapshot(35, 40, time=NOON + 10 * MINUTE)
    decision, memory = decide(rising, POLICY, memory)
    assert isinstance(decision, ScaleOut)
    assert memory.lesson is None

"""When a group grows, how far, and what holds it back."""

from dataclasses import replace
from datetime import time, timedelta

import pytest

from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decision import Hold, Reason, ScaleOut
from domain.autoscaling.memory.memory import Act
from domain.autoscaling.memory.remembering import act_done, launch_failed
from domain.autoscaling.see.snapshot import Resources, Snapshot, Template
from domain.spec.conditions import Comparator, Statistic
from domain.spec.scaling import MetricRule, ScalingPolicy, ScheduleWindow
from tests.domain.autoscaling.scaling_makers import (
    ADD,
    NOON,
    POLICY,
    REMOVE,
    SIZE,
    TEMPLATE,
    decide_calmly,
    make_line,
    make_machine,
    make_pods,
    make_snapshot,
    quiet,
    with_machine,
    with_node,
)

ADDS_TWO = ADD.model_copy(update={"step": 2})


def schedule(minimum: int, start: int, end: int, zone: str = "UTC") -> ScalingPolicy:
    window = ScheduleWindow(start=time(start), end=time(end), time_zone=zone, minimum=minimum)
    return ScalingPolicy(schedule=(window,))


@pytest.mark.parametrize(
    ("snapshot", "policy", "target", "reason"),
    [
        pytest.param(make_snapshot(40, 40), POLICY, 3, Reason.RULE_ADDS, id="a rule adds"),
        pytest.param(
            make_snapshot(40, 40, 40, pending=make_pods(30)),
            POLICY,
            4,
            Reason.PODS_WAIT,
            id="rule and pods ask for one each, and get one",
        ),
        pytest.param(
            make_snapshot(40, pending=make_pods(200)),
            POLICY,
            6,
            Reason.PODS_WAIT,
            id="all that wait get room at once",
        ),
        pytest.param(
            make_snapshot(40, 40, pending=make_pods(10)),
            ScalingPolicy(rules=(ADD, ADDS_TWO)),
            4,
            Reason.RULE_ADDS,
            id="the largest step counts",
        ),
        pytest.param(
            make_snapshot(40, 40, pending=make_pods(2000)),
            POLICY,
            10,
            Reason.PODS_WAIT,
            id="never above the maximum",
        ),
        pytest.param(
            make_snapshot(30, minimum=3), POLICY, 3, Reason.BELOW_MINIMUM, id="the group's minimum"
        ),
        pytest.param(
            make_snapshot(30), schedule(4, 11, 13), 4, Reason.BELOW_MINIMUM, id="the schedule's"
        ),
        pytest.param(
            make_snapshot(30),
            schedule(4, 19, 21, "Asia/Shanghai"),
            4,
            Reason.BELOW_MINIMUM,
            id="noon in Greenwich is eight in the evening in Shanghai",
        ),
        pytest.param(
            make_snapshot(30),
            schedule(4, 22, 13),
            4,
            Reason.BELOW_MINIMUM,
            id="a window that crosses midnight",
        ),
        pytest.param(
            make_snapshot(40, 40, 5), ScalingPolicy(
                rules=(ADD.model_copy(update={"statistic": Statistic.MAXIMUM}), REMOVE)
            ), 4, Reason.RULE_ADDS, id="growth wins over shrinking",
        ),
    ],
)  # fmt: skip
def test_a_group_grows_to_the_largest_size_asked_for(
    snapshot: Snapshot, policy: ScalingPolicy, target: int, reason: Reason
) -> None:
    decision = decide_calmly(snapshot, policy)
    assert isinstance(decision, ScaleOut)
    assert (decision.target, decision.basis.reason) == (target, reason)
    assert decision.add == target - len(snapshot.machines)
    assert decision.instance_type == TEMPLATE.instance_type


def test_decision_carries_its_readings() -> None:
    decision = decide_calmly(make_snapshot(40, 35))
    adds, removes = decision.basis.readings
    assert (adds.value, adds.threshold, adds.fires) == (37.5, 32, True)
    assert (removes.value, removes.threshold, removes.fires) == (35, 20, False)
    assert decision.sentence == (
        "2 → 3 machines, because a metric rule adds: "
        "avg podsNum over 60 s > 32: +1 (now 37.5, holds)"
    )


def booting(snapshot: Snapshot, machines: int) -> Snapshot:
    fresh = tuple(
        make_machine(number, created_at=NOON - timedelta(minutes=2))
        for number in range(100, 100 + machines)
    )
    return replace(snapshot, machines=snapshot.machines + fresh)


def test_machines_that_boot_count_as_room() -> None:
    one_boots = booting(make_snapshot(40, 40, 40, pending=make_pods(30)), 1)
    decision = decide_calmly(one_boots)
    assert isinstance(decision, Hold)
    assert (decision.basis.reason, decision.basis.size) == (Reason.MACHINES_BOOT, 4)


def test_only_what_booting_machines_cannot_hold_is_bought() -> None:
    decision = decide_calmly(booting(make_snapshot(40, pending=make_pods(100)), 1))
    assert isinstance(decision, ScaleOut)
    assert (decision.add, decision.target) == (2, 4)


def test_rule_does_not_add_while_booting_machines_would_satisfy_it() -> None:
    assert isinstance(decide_calmly(booting(make_snapshot(40, 40, 40), 1)), Hold)
    full = booting(make_snapshot(40, 40, 40, 40, 40), 1)
    decision = decide_calmly(full)
    assert isinstance(decision, ScaleOut)
    assert decision.target == 7


def test_machine_that_never_joined_is_noted_and_is_no_capacity() -> None:
    lost = make_snapshot(40, pending=make_pods(30))
    lost = replace(lost, machines=(*lost.machines, make_machine(9)))
    decision = decide_calmly(lost)
    assert isinstance(decision, ScaleOut)
    assert (decision.basis.size, decision.target, decision.add) == (1, 2, 1)
    assert [(n.reason, n.about, n.detail) for n in decision.basis.notes] == [
        (
            Reason.BROKEN,
            "i-9",
            "it has not become a node in its time, since 12:00:00 UTC; it leaves in 600 s",
        )
    ]


def test_launched_machines_count_before_the_cloud_lists_them() -> None:
    snapshot = make_snapshot(40, 40, 40, pending=make_pods(30))
    policy = ScalingPolicy(cooldown_out_seconds=0)
    ordered = Act(NOON - timedelta(seconds=60), 3, 4, 150)
    decision, _ = decide(snapshot, policy, quiet(snapshot, policy, last_out=ordered))
    assert (decision.basis.reason, decision.basis.size) == (Reason.MACHINES_BOOT, 4)
    forgotten = replace(ordered, at=NOON - timedelta(seconds=130))
    decision, memory = decide(snapshot, policy, quiet(snapshot, policy, last_out=forgotten))
    assert (decision.basis.reason, decision.basis.size) == (Reason.JOINS_FAILED, 3)
    later = replace(snapshot, time=NOON + timedelta(seconds=61))
    decision, _ = decide(later, policy, memory)
    assert isinstance(decision, ScaleOut)


def test_the_next_addition_waits_for_its_cooldown() -> None:
    snapshot = make_snapshot(40, 40, 40, 40, pending=make_pods(90))
    just_now = Act(NOON - timedelta(seconds=20), 3, 4, 150)
    decision, _ = decide(snapshot, POLICY, quiet(snapshot, last_out=just_now))
    assert decision.basis.reason is Reason.COOLING_OUT
    assert decision.basis.detail.startswith("40 s left; 90 wait")


def test_hold_at_the_maximum_names_what_is_needed() -> None:
    decision = decide_calmly(make_snapshot(40, 40, maximum=2, pending=make_pods(5)))
    assert isinstance(decision, Hold)
    assert decision.basis.reason is Reason.AT_MAXIMUM
    assert "5 wait" in decision.basis.detail


def test_machine_being_removed_is_neither_room_nor_member() -> None:
    snapshot = make_snapshot(40, 40, 40, pending=make_pods(60))
    leaving = with_machine(with_node(snapshot, 3, schedulable=False), 3, leaving=True)
    decision = decide_calmly(leaving)
    assert isinstance(decision, ScaleOut)
    assert (decision.basis.size, decision.target, decision.add) == (2, 4, 2)


def test_failed_launches_fall_back_to_the_next_type_and_then_back_off() -> None:
    small = Template("s1.small.r1", SIZE)
    snapshot = make_snapshot(40, pending=make_pods(5), templates=(TEMPLATE, small))
    memory = quiet(snapshot)
    for wanted in ("s1.large.r2", "s1.small.r1"):
        decision, memory = decide(snapshot, POLICY, memory)
        assert isinstance(decision, ScaleOut)
        assert decision.instance_type == wanted
        memory = launch_failed(memory, NOON, wanted, "out of stock", POLICY.back_off)
    decision, memory = decide(snapshot, POLICY, memory)
    assert decision.basis.reason is Reason.LAUNCHES_BACK_OFF
    assert "out of stock" in decision.basis.detail
    later = replace(snapshot, time=NOON + timedelta(seconds=61))
    decision, memory = decide(later, POLICY, memory)
    assert isinstance(decision, ScaleOut)
    memory = launch_failed(memory, later.time, "s1.large.r2", "out of stock", POLICY.back_off)
    assert memory.troubles["s1.large.r2"].until == later.time + timedelta(seconds=120)
    assert list(act_done(memory, decision).troubles) == ["s1.small.r1"]


def test_without_a_template_nothing_is_bought() -> None:
    decision = decide_calmly(make_snapshot(40, 40, templates=()))
    assert decision.basis.reason is Reason.NO_TEMPLATE


def test_pods_that_no_template_holds_are_named_and_buy_nothing() -> None:
    giants = make_pods(2, requests=Resources(cpu_millis=4000))
    decision = decide_calmly(make_snapshot(30, 30, pending=giants))
    assert isinstance(decision, Hold)
    assert decision.basis.reason is Reason.NO_MACHINE_HOLDS
    assert [note.words for note in decision.basis.notes] == [
        f"pod default/web-{n}: no machine of the group can hold a pod that waits (not enough cpu)"
        for n in range(2)
    ]


def test_pods_with_room_on_nodes_buy_nothing() -> None:
    decision = decide_calmly(make_snapshot(30, 30, pending=make_pods(5)))
    assert decision.basis.reason is Reason.ROOM_IS_THERE


def test_pods_that_wait_although_there_is_room_are_named() -> None:
    decision = decide_calmly(make_snapshot(30, 30, pending=make_pods(5)))
    assert decision.basis.detail == "5; default/web-0, default/web-1, default/web-2 and 2 more"


def test_another_autoscaler_prevents_all_changes() -> None:
    rivals = ("kube-system/cluster-autoscaler-6d4c-x2x4z",)
    decision = decide_calmly(make_snapshot(40, 40, pending=make_pods(50), rivals=rivals))
    assert isinstance(decision, Hold)
    assert decision.basis.reason is Reason.ANOTHER_AUTOSCALER
    assert decision.basis.detail == rivals[0]


def test_a_rule_about_what_is_left_waits_for_machines_that_boot() -> None:
    rule = CPU.model_copy(update={"comparator": Comparator.BELOW, "threshold": 20})
    lines = [make_line(f"k8s-node-{number}", 10, "cpu") for number in (1, 2)]
    scarce = make_snapshot(5, 5, statistics={300: lines})
    policy = ScalingPolicy(rules=(rule,))
    assert isinstance(decide_calmly(scarce, policy), ScaleOut)
    assert isinstance(decide_calmly(booting(scarce, 1), policy), Hold)


def test_rules_wait_for_their_interval_and_pods_do_not() -> None:
    slow = POLICY.model_copy(update={"interval_seconds": 120})
    just_looked = {"rules_at": NOON - timedelta(seconds=60)}
    snapshot = make_snapshot(40, 40)
    decision, _ = decide(snapshot, slow, quiet(snapshot, slow, **just_looked))
    assert decision.basis.reason is Reason.NOT_DUE
    waiting = replace(snapshot, pending=make_pods(5))
    decision, _ = decide(waiting, slow, quiet(waiting, slow, **just_looked))
    assert decision.basis.reason is Reason.PODS_WAIT


CPU = MetricRule.model_validate(
    {"metric": "cpu", "comparator": ">", "threshold": 70, "step": 1, "window_seconds": 300}
)


def test_samples_come_from_the_window_of_the_rule() -> None:
    lines = [make_line("k8s-node-1", 90, "cpu"), make_line("k8s-node-2", 60, "cpu")]
    snapshot = make_snapshot(5, 5, statistics={300: lines})
    decision = decide_calmly(snapshot, ScalingPolicy(rules=(CPU,)))
    assert isinstance(decision, ScaleOut)
    assert decision.basis.readings[0].value == 75


@pytest.mark.parametrize(
    ("value", "adds"),
    [
        pytest.param(90, False, id="it depends on the missing one"),
        pytest.param(150, True, id="whatever the missing one is"),
    ],
)
def test_with_samples_missing_a_rule_adds_only_when_it_would_anyway(
    value: float, adds: bool
) -> None:
    lines = [make_line("k8s-node-1", value, "cpu")]
    snapshot = make_snapshot(5, 5, statistics={300: lines})
    decision = decide_calmly(snapshot, ScalingPolicy(rules=(CPU,)))
    assert isinstance(decision, ScaleOut) is adds
    assert decision.basis.readings[0].obstacle is Reason.SAMPLES_MISSING
    if not adds:
        assert decision.basis.reason is Reason.SAMPLES_MISSING


def test_unknown_metric_is_a_reason_to_hold() -> None:
    decision = decide_calmly(make_snapshot(5, 5), ScalingPolicy(rules=(CPU,)))
    assert decision.basis.reason is Reason.UNKNOWN_METRIC


def test_bounds_that_contradict_each_other_change_nothing() -> None:
    policy = ScalingPolicy(minimum=5)
    decision = decide_calmly(make_snapshot(40, maximum=3, pending=make_pods(9)), policy)
    assert decision.basis.reason is Reason.BOUNDS_CONTRADICT


@pytest.mark.parametrize(("policy_says", "target"), [(None, 5), (5, 9), (100, 5)])
def test_a_new_machine_holds_what_the_policy_says_and_never_more_than_its_kubelet(
    policy_says: int | None, target: int
) -> None:
    policy = ScalingPolicy(pods_per_node=policy_says)
    snapshot = make_snapshot(40, pending=make_pods(40), pods_per_node=10)
    decision = decide_calmly(snapshot, policy)
    assert isinstance(decision, ScaleOut)
    assert decision.target == target


def test_an_empty_group_grows_from_nothing() -> None:
    decision = decide_calmly(make_snapshot(pending=make_pods(41)))
    assert isinstance(decision, ScaleOut)
    assert decision.target == 2
    assert decide_calmly(make_snapshot()).basis.reason is Reason.NO_NODES

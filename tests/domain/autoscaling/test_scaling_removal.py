"""When a machine is removed, which one, and all reasons against it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decision import Hold, Reason, ScaleIn
from domain.autoscaling.memory.memory import Act, Lesson, Memory
from domain.autoscaling.memory.remembering import removal_failed
from domain.autoscaling.see.placement import Operator, Placement, PodTerm, Requirement, Taint
from domain.autoscaling.see.snapshot import Budget, Resources, Snapshot
from domain.spec.scaling import Choice, LowUse, MetricRule, ScalingPolicy
from tests.domain.autoscaling.scaling_makers import (
    ADD,
    NOON,
    POLICY,
    REMOVE,
    decide_calmly,
    make_line,
    make_machine,
    make_node,
    make_pods,
    make_snapshot,
    quiet,
    with_machine,
    with_node,
)

ROOMY = make_snapshot(25, 10, 25)
"""10 < 20 removes, and the other two can take the ten."""

LOW_USE = ScalingPolicy(low_use=LowUse(share=0.5, seconds=600))
ALL_WEB = (Requirement("app", Operator.IN, ("web",)),)


def test_emptiest_machine_is_removed() -> None:
    decision = decide_calmly(ROOMY)
    assert isinstance(decision, ScaleIn)
    assert (decision.machine, decision.node, decision.target) == ("i-2", "k8s-node-2", 2)
    assert decision.basis.reason is Reason.RULE_REMOVES
    assert decision.sentence.endswith("k8s-node-2 leaves")


@pytest.mark.parametrize(
    ("choice", "machine"),
    [(Choice.EMPTIEST, "i-2"), (Choice.NEWEST, "i-3"), (Choice.OLDEST, "i-1")],
)
def test_policy_orders_the_machines_to_remove(choice: Choice, machine: str) -> None:
    decision = decide_calmly(ROOMY, POLICY.model_copy(update={"remove_first": choice}))
    assert isinstance(decision, ScaleIn)
    assert decision.machine == machine


def pods_with(**fields: object) -> Snapshot:
    return with_node(ROOMY, 2, pods=make_pods(10, **fields))


def with_booting(snapshot: Snapshot) -> Snapshot:
    fresh = make_machine(9, created_at=NOON - timedelta(minutes=1))
    return replace(snapshot, machines=(*snapshot.machines, fresh))


def with_budgets(*allowed: int) -> Snapshot:
    budgets = tuple(Budget("default", f"b{n}", ALL_WEB, a) for n, a in enumerate(allowed))
    return replace(pods_with(labels={"app": "web"}), budgets=budgets)


ALONE = replace(make_snapshot(2, 10, 38), machines=(make_machine(2),), nodes=(make_node(2, 10),))
TOGETHER = Placement(together=(PodTerm("kubernetes.io/hostname", ALL_WEB, ()),))
HERE_ONLY = Placement(all_of=(Requirement("disk", Operator.IN, ("fast",)),))


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        pytest.param(with_booting(ROOMY), Reason.MACHINES_BOOT, id="a machine boots"),
        pytest.param(
            with_machine(ROOMY, 3, leaving=True), Reason.REMOVAL_UNDER_WAY, id="one leaves already"
        ),
        pytest.param(replace(ROOMY, minimum=3), Reason.AT_MINIMUM, id="at the minimum"),
        pytest.param(
            replace(ROOMY, pending=make_pods(1)), Reason.ROOM_IS_THERE, id="a pod is on its way"
        ),
        pytest.param(make_snapshot(30, 19, 30), Reason.RULE_WOULD_ADD, id="a rule would add again"),
        pytest.param(with_budgets(0), Reason.BUDGET_USED_UP, id="a budget is used up"),
        pytest.param(with_budgets(5, 5), Reason.BUDGETS_OVERLAP, id="two budgets for a pod"),
        pytest.param(pods_with(safe_to_evict=False), Reason.POD_UNSAFE, id="annotated pod"),
        pytest.param(pods_with(owner=""), Reason.POD_ALONE, id="a pod without controller"),
        pytest.param(pods_with(local_storage=True), Reason.POD_KEEPS_DATA, id="local data"),
        pytest.param(pods_with(namespace="kube-system"), Reason.POD_OF_SYSTEM, id="system pod"),
        pytest.param(
            pods_with(placement=HERE_ONLY), Reason.POD_HAS_NO_PLACE, id="selects this node only"
        ),
        pytest.param(
            pods_with(requests=Resources(cpu_millis=500)), Reason.POD_HAS_NO_PLACE, id="no cpu left"
        ),
        pytest.param(ALONE, Reason.POD_HAS_NO_PLACE, id="the last node with pods"),
        pytest.param(
            with_node(ROOMY, 2, removal_disabled=True), Reason.REMOVAL_DISABLED, id="annotated node"
        ),
        pytest.param(with_machine(ROOMY, 2, ours=False), Reason.HAND_MADE, id="made by hand"),
        pytest.param(with_node(ROOMY, 2, group=""), Reason.HAND_MADE, id="label missing"),
        pytest.param(with_node(ROOMY, 2, schedulable=False), Reason.CORDONED, id="cordoned"),
    ],
)
def test_a_removal_is_refused_with_its_reason(snapshot: Snapshot, reason: Reason) -> None:
    only_the_second = POLICY.model_copy(update={"exempt": ("i-1", "k8s-node-3")})
    decision = decide_calmly(snapshot, only_the_second)
    assert isinstance(decision, Hold)
    reasons = {decision.basis.reason} | {note.reason for note in decision.basis.notes}
    assert reason in reasons


def test_next_machine_is_removed_when_the_first_choice_is_refused() -> None:
    decision = decide_calmly(with_node(make_snapshot(15, 10, 25), 2, removal_disabled=True))
    assert isinstance(decision, ScaleIn)
    assert decision.machine == "i-1"
    assert decision.basis.notes[0].reason is Reason.REMOVAL_DISABLED


def test_machine_with_a_node_that_is_not_ready_is_not_removed() -> None:
    dead = with_node(make_snapshot(5, 10, 20, 25), 1, ready=False)
    decision = decide_calmly(dead, POLICY.model_copy(update={"remove_first": Choice.OLDEST}))
    assert isinstance(decision, ScaleIn)
    assert decision.machine == "i-2"
    assert decision.basis.notes[0].reason is Reason.NOT_READY


def test_no_machine_is_removed_when_all_are_exempt() -> None:
    policy = POLICY.model_copy(update={"exempt": ("k8s-node-*",)})
    assert decide_calmly(ROOMY, policy).basis.reason is Reason.EXEMPT


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"owner": "DaemonSet"}, id="daemons stay behind"),
        pytest.param({"is_mirror": True, "owner": "Node"}, id="mirror pods stay behind"),
        pytest.param({"owner": "", "safe_to_evict": True}, id="annotated as safe"),
        pytest.param({"local_storage": True, "safe_to_evict": True}, id="data that may go"),
    ],
)
def test_pods_that_do_not_prevent_a_removal(fields: dict[str, object]) -> None:
    crowded = make_snapshot(30, 0, 30)
    snapshot = with_node(crowded, 2, pods=make_pods(4, **fields))
    decision = decide_calmly(snapshot)
    assert isinstance(decision, ScaleIn)
    assert decision.node == "k8s-node-2"


def test_budget_that_allows_an_eviction_permits_the_removal() -> None:
    assert isinstance(decide_calmly(with_budgets(1)), ScaleIn)


def test_pods_of_a_failed_node_need_places_too() -> None:
    dead = with_node(make_snapshot(30, 10, 30, 15), 4, ready=False)
    decision = decide_calmly(dead, POLICY.model_copy(update={"rules": (REMOVE,)}))
    assert decision.basis.reason is Reason.POD_HAS_NO_PLACE
    alive = decide_calmly(make_snapshot(30, 10, 30, 15), ScalingPolicy(rules=(REMOVE,)))
    assert isinstance(alive, ScaleIn)


def test_many_failed_nodes_stop_removals() -> None:
    snapshot = make_snapshot(5, 5, 5, 5, 5, 5)
    for number in (1, 2):
        snapshot = with_node(snapshot, number, ready=False)
    assert decide_calmly(snapshot).basis.reason is Reason.MANY_NOT_READY
    bold = POLICY.model_copy(update={"most_not_ready": 0.5})
    assert isinstance(decide_calmly(snapshot, bold), ScaleIn)


@pytest.mark.parametrize("act", ["last_in", "last_out", "watching_since"])
def test_a_removal_waits_for_its_own_cooldown(act: str) -> None:
    recently = NOON - timedelta(seconds=200)
    past: Any = recently if act == "watching_since" else Act(recently, 3, 3, 60)
    decision, _ = decide(ROOMY, POLICY, quiet(ROOMY, **{act: past}))
    assert decision.basis.reason is Reason.COOLING_IN
    assert decision.basis.detail.startswith("100 s left; min podsNum over 60 s < 20: -1 (now 10")


def test_a_rule_that_removes_waits_until_its_window_knows_only_these_nodes() -> None:
    memory = quiet(ROOMY, nodes_since=NOON - timedelta(seconds=30))
    decision, _ = decide(ROOMY, POLICY, memory)
    assert decision.basis.reason is Reason.NODES_CHANGED


def test_first_evaluation_removes_nothing() -> None:
    decision, _ = decide(ROOMY, POLICY, Memory())
    assert decision.basis.reason is Reason.COOLING_IN


def test_missed_evaluations_restart_the_cooldowns() -> None:
    memory = quiet(ROOMY, evaluated_at=NOON - timedelta(hours=1))
    decision, _ = decide(ROOMY, POLICY, memory)
    assert decision.basis.reason is Reason.COOLING_IN


def test_a_clock_that_went_backwards_is_the_reason_to_do_nothing_once() -> None:
    crowded = make_snapshot(40, 40)
    memory = quiet(crowded, evaluated_at=NOON + timedelta(hours=3))
    decision, memory = decide(crowded, POLICY, memory)
    assert decision.basis.reason is Reason.CLOCK_JUMPED
    decision, _ = decide(replace(crowded, time=NOON + timedelta(minutes=1)), POLICY, memory)
    assert decision.basis.reason is Reason.RULE_ADDS


CPU_ADDS = MetricRule.model_validate(
    {"metric": "cpu", "comparator": ">", "threshold": 70, "step": 1}
)


def test_nothing_is_removed_while_a_rule_that_adds_is_unreadable() -> None:
    policy = ScalingPolicy(rules=(CPU_ADDS, REMOVE))
    lines = [make_line(f"k8s-node-{n}", 20, "cpu") for n in (1, 2)]
    decision = decide_calmly(replace(ROOMY, statistics={60: lines}), policy)
    assert decision.basis.reason is Reason.RULE_UNREADABLE
    lines.append(make_line("k8s-node-3", 20, "cpu"))
    decision = decide_calmly(replace(ROOMY, statistics={60: lines}), policy)
    assert isinstance(decision, ScaleIn)


def test_samples_from_the_future_do_not_count() -> None:
    policy = ScalingPolicy(
        rules=(MetricRule.model_validate({"metric": "cpu", "comparator": "<", "threshold": 30,
                                          "step": -1}),)
    )  # fmt: skip
    lines = [
        replace(make_line(f"k8s-node-{n}", 5, "cpu"), latest=NOON + timedelta(hours=1))
        for n in (1, 2, 3)
    ]
    decision = decide_calmly(replace(ROOMY, statistics={60: lines}), policy)
    assert decision.basis.reason is Reason.UNKNOWN_METRIC


def test_above_the_maximum_a_machine_is_removed_even_if_a_rule_would_add_it_again() -> None:
    decision = decide_calmly(make_snapshot(35, 35, 5, maximum=2))
    assert isinstance(decision, ScaleIn)
    assert decision.basis.reason is Reason.ABOVE_MAXIMUM


def test_above_the_maximum_pods_keep_their_places() -> None:
    decision = decide_calmly(make_snapshot(32, 30, 30, maximum=2), ScalingPolicy())
    assert decision.basis.reason is Reason.POD_HAS_NO_PLACE


def test_above_the_maximum_a_machine_is_removed_even_if_a_rule_adds_now() -> None:
    crowded = make_snapshot(*[33] * 10, maximum=9)
    decision = decide_calmly(crowded)
    assert isinstance(decision, ScaleIn)
    assert decision.basis.reason is Reason.ABOVE_MAXIMUM
    waiting = decide_calmly(replace(crowded, pending=make_pods(80)))
    assert waiting.basis.reason is Reason.AT_MAXIMUM


def test_large_group_is_checked_in_turns() -> None:
    """All but the last run pods that require a label which no node has."""
    group = make_snapshot(*[10] * 130, maximum=200)
    tied = [replace(node, pods=make_pods(10, placement=HERE_ONLY)) for node in group.nodes[:-1]]
    snapshot = replace(group, nodes=(*tied, make_node(130, 11)))
    policy = ScalingPolicy(rules=(REMOVE,))
    found = set()
    for minute in range(10):
        later = replace(snapshot, time=NOON + timedelta(minutes=minute))
        decision, _ = decide(later, policy, quiet(later, policy))
        found.add(decision.node if isinstance(decision, ScaleIn) else decision.basis.reason)
    assert found == {Reason.POD_HAS_NO_PLACE, "k8s-node-130"}


def test_low_use_gives_the_share_of_the_removed_node() -> None:
    snapshot = make_snapshot(10, 5, 25)
    hour, day = NOON - timedelta(hours=1), NOON - timedelta(days=1)
    memory = quiet(snapshot, LOW_USE, idle_since={"k8s-node-1": day, "k8s-node-2": hour})
    decision, _ = decide(snapshot, LOW_USE, memory)
    assert decision.sentence == (
        "3 → 2 machines, because little is asked of a node: k8s-node-2, 12% of its places, cpu or "
        "memory, below 50% for 3600 s; k8s-node-2 leaves"
    )


def test_low_use_must_last() -> None:
    snapshot = make_snapshot(25, 5, 25)
    for seconds, kind in ((590, Hold), (600, ScaleIn)):
        idle = {"k8s-node-2": NOON - timedelta(seconds=seconds)}
        memory = quiet(snapshot, LOW_USE, idle_since=idle)
        decision, memory = decide(snapshot, LOW_USE, memory)
        assert isinstance(decision, kind)
        assert (decision.basis.reason is Reason.LOW_USE) is (kind is ScaleIn)
        assert memory.idle_since == idle


def test_low_use_ends_when_pods_arrive() -> None:
    busy = make_snapshot(25, 25, 25)
    idle = {"k8s-node-2": NOON - timedelta(hours=1)}
    _, memory = decide(busy, LOW_USE, quiet(busy, LOW_USE, idle_since=idle))
    assert memory.idle_since == {}


def test_low_use_counts_requests_too() -> None:
    thirsty = with_node(ROOMY, 2, pods=make_pods(5, requests=Resources(cpu_millis=250)))
    idle = {"k8s-node-2": NOON - timedelta(hours=1)}
    decision, _ = decide(thirsty, LOW_USE, quiet(thirsty, LOW_USE, idle_since=idle))
    assert decision.basis.reason is Reason.ALL_WELL


def test_size_that_was_too_small_is_not_tried_again() -> None:
    lesson = Lesson(size=2, pods=60, until=NOON + timedelta(hours=1))
    decision, _ = decide(ROOMY, POLICY, quiet(ROOMY, lesson=lesson))
    assert decision.basis.reason is Reason.CAME_BACK_BEFORE
    less = make_snapshot(24, 10, 25)
    decision, _ = decide(less, POLICY, quiet(less, lesson=lesson))
    assert isinstance(decision, ScaleIn)


def test_node_whose_drain_failed_is_skipped_for_a_while() -> None:
    snapshot = make_snapshot(15, 10, 25)
    decision, memory = decide(snapshot, POLICY, quiet(snapshot))
    assert isinstance(decision, ScaleIn)
    memory = removal_failed(memory, NOON, decision.node, "stuck")
    assert memory.last_in is None
    later = replace(snapshot, time=NOON + timedelta(minutes=6))
    decision, _ = decide(later, POLICY, memory)
    assert isinstance(decision, ScaleIn)
    assert decision.node == "k8s-node-1"
    assert decision.basis.notes[0].reason is Reason.DRAIN_FAILED


def test_a_machine_without_a_node_is_never_removed() -> None:
    lost = replace(ROOMY, machines=(*ROOMY.machines, make_machine(9)))
    decision = decide_calmly(with_node(lost, 2, removal_disabled=True))
    assert not isinstance(decision, ScaleIn) or decision.machine != "i-9"


def test_a_node_without_a_machine_is_named_and_neither_measured_nor_removed() -> None:
    stray = replace(make_snapshot(30, 30), nodes=(*make_snapshot(30, 30).nodes, make_node(9, 0)))
    decision = decide_calmly(stray)
    assert isinstance(decision, Hold)
    assert decision.basis.size == 2
    assert [note.reason for note in decision.basis.notes] == [Reason.NODE_WITHOUT_MACHINE]


def test_tainted_node_takes_no_pods_of_the_removed_one() -> None:
    tainted = with_node(
        with_node(ROOMY, 1, taints=(Taint("dedicated"),)), 3, taints=(Taint("dedicated"),)
    )
    only_the_second = POLICY.model_copy(update={"exempt": ("i-1", "i-3")})
    decision = decide_calmly(tainted, only_the_second)
    assert Reason.POD_HAS_NO_PLACE in {note.reason for note in decision.basis.notes}


def test_trying_to_move_pods_changes_nothing() -> None:
    again = decide_calmly(make_snapshot(25, 10, 25))
    assert again == decide_calmly(make_snapshot(25, 10, 25))


NODES = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([True, True, True, False]), st.booleans()),
    min_size=1,
    max_size=7,
)


@settings(deadline=None)
@given(nodes=NODES, foreign=st.sets(st.integers(1, 7)), choice=st.sampled_from(Choice))
def test_removed_machine_has_no_refusal_and_its_pods_have_places(
    nodes: list[tuple[int, bool, bool]], foreign: set[int], choice: Choice
) -> None:
    policy = ScalingPolicy(rules=(REMOVE,), remove_first=choice, most_not_ready=1)
    snapshot = make_snapshot(*(pods for pods, _, _ in nodes))
    for number, (_, ready, schedulable) in enumerate(nodes, 1):
        snapshot = with_node(snapshot, number, ready=ready, schedulable=schedulable)
        snapshot = with_machine(snapshot, number, ours=number not in foreign)
    decision = decide_calmly(snapshot, policy)
    if not isinstance(decision, ScaleIn):
        return
    number = int(decision.machine.removeprefix("i-"))
    pods, ready, schedulable = nodes.pop(number - 1)
    assert ready
    assert schedulable
    assert number not in foreign
    free = sum(40 - other for other, up, takes in nodes if up and takes)
    assert free >= pods + sum(other for other, up, _ in nodes if not up)


@pytest.mark.parametrize(
    ("statistic", "threshold", "leaves"),
    [
        pytest.param("avg", 29, False, id="average 30 then"),
        pytest.param("avg", 31, True, id="average stays below"),
        pytest.param("min", 29, False, id="the smallest may rise to the average"),
        pytest.param("max", 34, False, id="all ten may go to one node"),
        pytest.param("max", 36, True, id="not even then"),
    ],
)
def test_rules_that_add_are_evaluated_as_after_the_removal(
    statistic: str, threshold: float, leaves: bool
) -> None:
    adds = ADD.model_copy(update={"statistic": statistic, "threshold": threshold})
    decision = decide_calmly(ROOMY, ScalingPolicy(rules=(adds, REMOVE)))
    assert isinstance(decision, ScaleIn) is leaves

"""Machines that break: what is bought for them, what is removed, and that it settles."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decision import Decision, Hold, Reason, Repair, ScaleIn, ScaleOut
from domain.autoscaling.memory.memory import Act, FailedJoins, Memory, parse_memory
from domain.autoscaling.see.snapshot import Snapshot
from domain.autoscaling.see.standings import standings_of
from domain.cloud.records import InstanceStatus
from domain.kernel.errors import InvalidSpec
from domain.node.install import INSTANCE_LABEL
from domain.node.serving import Standing, State
from domain.spec.presets import PRESETS, parse_policy
from domain.spec.scaling import RepairMode
from tests.domain.autoscaling.fleet import Fleet
from tests.domain.autoscaling.scaling_makers import (
    NOON,
    decide_calmly,
    make_machine,
    make_node,
    make_pods,
    make_snapshot,
    quiet,
    with_machine,
    with_node,
)

MINUTE, HOUR = 60.0, 3600.0
MINIMUM, MAXIMUM = 1, 8
POLICY = PRESETS["pending"].model_copy(update={"minimum": MINIMUM, "maximum": MAXIMUM})
PENDING = PRESETS["pending"]
STOPPED = InstanceStatus.STOPPED
LONG = timedelta(hours=1)


def run(fleet: Fleet, pods: int, minutes: int) -> Iterator[tuple[int, Decision]]:
    """Let a policy decide each minute, and carry out what it decides."""
    memory = Memory()
    for minute in range(minutes):
        fleet.advance(minute * MINUTE, pods)
        decision, memory = decide(fleet.snapshot(MINIMUM, MAXIMUM), fleet.policy, memory)
        memory = parse_memory(memory.to_json())
        yield minute, decision
        fleet.carry_out(decision)


def test_machines_that_never_join_are_bought_twice_and_no_more() -> None:
    fleet = Fleet(POLICY)
    fleet.launch(2, booted=True)
    fleet.never_join = 99
    bought, last = list[int](), ""
    for minute, decision in run(fleet, 90, 10 * 60):
        if isinstance(decision, ScaleOut):
            bought.append(minute)
        last = decision.sentence
    assert len(bought) == 2
    assert "new machines did not join, and no more are bought yet: 2 in a row" in last
    assert fleet.billed == 2  # those that did not join were removed


def test_once_a_machine_joins_the_pause_ends() -> None:
    """Such as one that an operator has added by hand."""
    fleet = Fleet(POLICY)
    fleet.launch(2, booted=True)
    fleet.never_join = 99
    for minute, _ in run(fleet, 130, 5 * 60):
        if minute == 4 * 60:
            fleet.never_join = 0
            fleet.launch(1)
    assert len(fleet.nodes) == 4
    assert fleet.waiting == []


@pytest.mark.parametrize("age", [5, 60])
def test_a_stopped_machine_is_replaced_by_one_and_leaves(age: int) -> None:
    fleet = Fleet(POLICY)
    fleet.launch(2, booted=True)
    done = list[tuple[int, type[Decision], str]]()
    for minute, decision in run(fleet, 70, age + 60):
        if minute == age:
            fleet.fall_ill(0, stopped=True)
        if not isinstance(decision, Hold):
            done.append((minute - age, type(decision), decision.sentence))
    # The pods are evicted after five minutes, and wait from then on.
    assert [(minute, kind) for minute, kind, _ in done] == [(5, ScaleOut), (11, Repair)]
    assert done[0][2].startswith("1 → 2 machines, because pods wait for room: 30 wait")
    assert "stays at 2 machines, because a machine is broken: i-0001, it is stopped" in done[1][2]
    assert (fleet.billed, fleet.waiting) == (2, [])


def test_at_the_minimum_the_broken_machine_leaves_and_no_well_one() -> None:
    snapshot = with_machine(make_snapshot(5, 5, 5, minimum=3), 1, status=STOPPED)
    decision = decide_calmly(snapshot, PENDING)
    assert isinstance(decision, ScaleOut)
    assert (decision.target, decision.basis.reason) == (3, Reason.BELOW_MINIMUM)
    healed = replace(
        snapshot,
        nodes=(*snapshot.nodes, make_node(4, 5)),
        machines=(*snapshot.machines, make_machine(4)),
    )
    memory = quiet(healed, PENDING, broken_since={"i-1": NOON - LONG})
    decision, memory = decide(healed, PENDING, memory)
    assert isinstance(decision, Repair)
    assert (decision.machine, decision.target) == ("i-1", 3)
    assert memory.repairs == (NOON,)


def test_a_machine_that_breaks_right_after_an_addition_is_missing_at_once() -> None:
    """What is not yet listed of an addition counts for two minutes; a broken machine is listed."""
    snapshot = with_machine(make_snapshot(5, 5, 5, minimum=3), 1, status=STOPPED)
    ordered = Act(NOON - timedelta(seconds=70), 2, 3, 15)
    policy = PENDING.model_copy(update={"cooldown_out_seconds": 0})
    decision, _ = decide(snapshot, policy, quiet(snapshot, policy, last_out=ordered))
    assert isinstance(decision, ScaleOut)
    assert (decision.basis.size, decision.target) == (2, 3)


def test_a_node_that_is_not_ready_for_a_moment_is_neither_replaced_nor_a_reason_to_remove() -> None:
    snapshot = with_node(make_snapshot(20, 20, 20, minimum=2), 1, ready=False, unready_seconds=200)
    decision = decide_calmly(snapshot, PENDING)
    assert isinstance(decision, Hold)
    assert decision.basis.size == 3
    policy = PENDING.model_copy(update={"low_use": None, "most_not_ready": 1, "maximum": 2})
    assert decide_calmly(snapshot, policy).basis.reason is Reason.AT_MINIMUM


SICK = with_machine(make_snapshot(20, 20, 20, 20), 1, status=STOPPED)


@pytest.mark.parametrize(
    ("snapshot", "changes", "words"),
    [
        pytest.param(SICK, {"repair": {"mode": "off"}}, "the policy's repair is off", id="off"),
        pytest.param(SICK, {"exempt": ["i-1"]}, "it is exempt", id="exempt"),
        pytest.param(with_machine(SICK, 1, ours=False), {}, "made by hand", id="by hand"),
        pytest.param(
            with_node(SICK, 1, removal_disabled=True), {}, "annotated against", id="annotated"
        ),
        pytest.param(
            with_node(SICK, 1, schedulable=False), {}, "cordoned by somebody", id="under repair"
        ),
        pytest.param(
            with_node(SICK, 1, pods=make_pods(1, safe_to_evict=False)), {}, "web-0", id="its pod"
        ),
        pytest.param(
            with_machine(SICK, 2, status=STOPPED), {}, "broken at once: 2 of 4",
            id="mass failure",
        ),
        pytest.param(SICK, {"repair": {"after_seconds": 7200}}, "it leaves in 3600 s", id="young"),
        pytest.param(with_machine(SICK, 2, leaving=True), {}, "on its way out", id="one leaves"),
    ],
)  # fmt: skip
def test_a_broken_machine_that_may_not_leave_is_named_with_the_reason(
    snapshot: Snapshot, changes: dict[str, object], words: str
) -> None:
    policy = parse_policy({"preset": "pending", **changes})
    memory = quiet(snapshot, policy, broken_since={"i-1": NOON - LONG})
    decision, _ = decide(snapshot, policy, memory)
    assert not isinstance(decision, Repair)
    [about] = [n for n in decision.basis.notes if n.reason is Reason.BROKEN and n.about == "i-1"]
    assert words in about.detail
    assert about.detail.startswith("it is stopped, since 11:00:00 UTC; ")


def test_repairs_have_a_budget_an_hour() -> None:
    memory = quiet(SICK, PENDING, broken_since={"i-1": NOON - LONG})
    for minutes, kind in ((61, Repair), (59, Hold)):
        earlier = (NOON - timedelta(minutes=minutes), *[NOON - timedelta(minutes=5)] * 2)
        decision, _ = decide(SICK, PENDING, replace(memory, repairs=earlier))
        assert isinstance(decision, kind)


def test_one_broken_machine_of_two_is_no_mass_failure() -> None:
    two = with_machine(make_snapshot(20, 20), 1, status=STOPPED)
    decision, _ = decide(two, PENDING, quiet(two, PENDING, broken_since={"i-1": NOON - LONG}))
    assert isinstance(decision, Repair)


def test_in_a_mass_failure_existing_machines_count_for_the_maximum() -> None:
    """A cut network: they may all come back, and new ones would be cut off, too."""
    down = make_snapshot(*[20] * 6, maximum=8, pending=make_pods(200))
    for number in range(1, 6):
        down = with_node(down, number, ready=False, unready_seconds=600, pods=())
    decision = decide_calmly(down, PENDING)
    assert isinstance(decision, ScaleOut)
    assert (decision.basis.size, decision.target) == (1, 3)
    full = replace(down, maximum=6)
    assert decide_calmly(full, PENDING).basis.reason is Reason.MANY_BROKEN


def test_a_node_without_its_machine_is_deleted_and_takes_no_pods() -> None:
    labels = {INSTANCE_LABEL: "i-9"}
    crowded = make_snapshot(40, 40, pending=make_pods(5))
    snapshot = replace(crowded, nodes=(*crowded.nodes, make_node(9, 0, labels=labels)))
    assert isinstance(decide_calmly(snapshot, PENDING), ScaleOut)
    calm = replace(snapshot, pending=())
    memory = quiet(calm, PENDING, broken_since={"k8s-node-9": NOON - LONG})
    decision, _ = decide(calm, PENDING, memory)
    assert isinstance(decision, Repair)
    assert (decision.machine, decision.node) == ("", "k8s-node-9")


def test_other_instance_types_are_a_reason_to_try_again() -> None:
    snapshot = make_snapshot(40, pending=make_pods(5))
    tomorrow = NOON + timedelta(hours=20)
    for types, kind in ((("s1.large.r2",), Hold), (("c2",), ScaleOut)):
        joins = FailedJoins(2, NOON - LONG, tomorrow, "i-7: it has not become a node", types)
        decision, _ = decide(snapshot, PENDING, quiet(snapshot, PENDING, failed_joins=joins))
        assert isinstance(decision, kind)


def test_clocks_that_differ_are_named() -> None:
    words = "the cloud's clock is 20 min behind this machine's"
    decision = decide_calmly(make_snapshot(20, 20, doubts=(words,)), PENDING)
    assert [note.words for note in decision.basis.notes] == [f"{words}: clocks differ"]


def test_off_without_quotes_means_off_and_on_is_refused() -> None:
    assert parse_policy({"repair": {"mode": False}}).repair.mode is RepairMode.OFF
    with pytest.raises(InvalidSpec, match=r"repair.mode: `on` is not a mode"):
        parse_policy({"repair": {"mode": True}})


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["stop", "silence", "vanish", "recover", "recover", "never join", "load"] + ["rest"] * 4
        ),
        st.integers(0, 20),
    ),
    max_size=120,
)


class Checks:
    """What must hold for each decision, and for all of them together."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.bought_without_reason = 0
        self._serving = self._waiting = 0
        self._broken_since: dict[str, float] = {}
        self._repairs: list[float] = []

    def see(self, seen: Snapshot) -> dict[str, Standing]:
        standings = standings_of(seen, self.fleet.policy)
        now = self.fleet.now
        self._broken_since = {
            name: self._broken_since.get(name, now)
            for name, one in standings.items()
            if one.is_broken
        }
        serving = Counter(one.state for one in standings.values())[State.SERVING]
        waiting = len(self.fleet.waiting)
        if serving > self._serving or waiting > self._waiting:
            self.bought_without_reason = 0  # a machine has joined, or more pods wait
        self._serving, self._waiting = serving, waiting
        return standings

    def check(self, decision: Decision, standings: dict[str, Standing]) -> None:
        fleet, now = self.fleet, self.fleet.now
        match decision:
            case ScaleOut():
                broken = sum(one.is_broken for one in standings.values())
                assert decision.target <= MAXIMUM
                assert fleet.billed + decision.add <= MAXIMUM + broken
                self.bought_without_reason += 1
                assert self.bought_without_reason <= 2
            case ScaleIn():
                assert standings[decision.machine].state is State.SERVING
                assert self._serving - 1 >= MINIMUM
            case Repair():
                name = decision.machine or decision.node
                assert standings[name].is_broken
                assert now - self._broken_since[name] >= fleet.policy.repair.after_seconds
                self._repairs = [at for at in self._repairs if now - at < HOUR]
                self._repairs += [now] if decision.machine else []
                assert len(self._repairs) <= fleet.policy.repair.most_an_hour
            case Hold():
                pass


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(preset=st.sampled_from(list(PRESETS)), events=EVENTS, last=st.integers(0, 300))
@example(preset="pending", events=[("never join", 20), ("load", 19)], last=190)
def test_a_group_of_failing_machines_keeps_its_bounds_and_settles(
    preset: str, events: list[tuple[str, int]], last: int
) -> None:
    policy = PRESETS[preset].model_copy(update={"minimum": MINIMUM, "maximum": MAXIMUM})
    fleet, memory, load, changed_at = Fleet(policy), Memory(), 90, 0.0
    fleet.launch(3, booted=True)
    checks, decision = Checks(fleet), None
    cured = len(events) + 75
    rest = [("rest", 0)] * (75 + 6 * 60)
    for minute, (what, number) in enumerate([*events, *rest]):
        is_new = False
        match what:
            case "stop" | "silence":
                is_new = fleet.fall_ill(number, stopped=what == "stop")
            case "vanish":
                is_new = fleet.vanish(number)
            case "recover":
                fleet.recover(number)
            case "never join":
                fleet.never_join += number
            case "load":
                load, is_new = 10 * number, True
        if minute == cured:
            fleet.never_join, load, is_new = 0, last, True
        if is_new:
            checks.bought_without_reason = 0
        fleet.advance(minute * MINUTE, load)
        fleet.sample()
        seen = fleet.snapshot(MINIMUM, MAXIMUM)
        standings = checks.see(seen)
        decision, memory = decide(seen, policy, memory)
        memory = parse_memory(memory.to_json())
        checks.check(decision, standings)
        fleet.carry_out(decision)
        if not isinstance(decision, Hold):
            changed_at = minute * MINUTE
    assert isinstance(decision, Hold)
    assert changed_at <= (cured + 5 * 60) * MINUTE
    held_back = (Reason.AT_MAXIMUM, Reason.JOINS_FAILED, Reason.MANY_BROKEN)
    assert not fleet.waiting or decision.basis.reason in held_back or not policy.pending_pods

"""Pods that do not take the machine that was bought for them, and pods that none is bought for."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decide.explanation import explain
from domain.autoscaling.decision import Decision, Hold, Note, Reason, ScaleIn, ScaleOut
from domain.autoscaling.memory.memory import Memory, parse_memory
from domain.autoscaling.memory.pods import FORGOTTEN, MOST_PODS, kind_of
from domain.autoscaling.see.placement import HostPort, Placement, Taint
from domain.autoscaling.see.snapshot import Budget, Resources, SeenPod, Snapshot
from domain.spec.scaling import LowUse, ScalingPolicy
from tests.domain.autoscaling.scaling_makers import (
    NOON,
    TEMPLATE,
    decide_calmly,
    make_machine,
    make_node,
    make_pods,
    make_snapshot,
    quiet,
    with_node,
)

PENDING = ScalingPolicy(low_use=LowUse(seconds=0), cooldown_in_seconds=0)
(WAITS,) = make_pods(1, name="job", requests=Resources(cpu_millis=1500), healthy=False)
FULL = make_snapshot(40, pending=(WAITS,))


class Story:
    """Evaluations one after the other, each with the memory of the one before."""

    def __init__(self, start: Snapshot = FULL, policy: ScalingPolicy = PENDING) -> None:
        self.now = NOON
        self.policy = policy
        self.memory = quiet(start, policy)
        self.decisions: list[Decision] = []

    def see(self, snapshot: Snapshot, seconds: float = 60) -> Decision:
        self.now += timedelta(seconds=seconds)
        memory = parse_memory(self.memory.to_json())  # as the cluster keeps it
        decision, self.memory = decide(replace(snapshot, time=self.now), self.policy, memory)
        self.decisions.append(decision)
        return decision

    @property
    def bought(self) -> int:
        return sum(one.add for one in self.decisions if isinstance(one, ScaleOut))

    def arrival(self, pods: Sequence[SeenPod] = (), **node: object) -> Snapshot:
        """`FULL` with the bought machine as a Ready node."""
        second = make_node(2, pods, **node)
        machine = make_machine(2, created_at=NOON + timedelta(seconds=70))
        return replace(FULL, nodes=(*FULL.nodes, second), machines=(*FULL.machines, machine))


def test_machine_that_comes_other_than_promised_is_not_bought_again() -> None:
    story = Story()
    assert isinstance(story.see(FULL), ScaleOut)
    strange = story.arrival(taints=(Taint("vendor.example/agent"),))
    for _ in range(10):
        story.see(strange)
    assert story.bought == 1
    why = "k8s-node-2 came, but it does not tolerate the node's taints"
    assert Note(Reason.NOT_TAKEN, "pod default/job", why) in story.decisions[-1].basis.notes
    explained = explain(story.memory, story.now)
    assert explained.decision is not None
    assert any(why in words for words in (explained.decision.words, *explained.decision.details))


def test_idle_machine_that_its_pod_does_not_take_is_removed_and_not_bought_again() -> None:
    """As where the scheduler has a reason that is not in its words, nor in this model."""
    story = Story()
    story.see(FULL)
    ignored = story.arrival()
    reasons = [story.see(ignored).basis.reason for _ in range(3)]
    assert reasons[0] is Reason.ROOM_IS_THERE
    removed = story.see(ignored)
    assert isinstance(removed, ScaleIn)
    assert removed.node == "k8s-node-2"
    for _ in range(10):
        story.see(FULL)
    assert story.bought == 1
    assert story.decisions[-1].basis.reason is Reason.NOT_TAKEN


def test_machine_that_other_pods_have_filled_is_bought_again() -> None:
    story = Story()
    story.see(FULL)
    others = make_pods(2, name="other", requests=Resources(cpu_millis=1000))
    assert isinstance(story.see(story.arrival(others)), ScaleOut)


def test_startup_taint_is_waited_for() -> None:
    story = Story()
    story.see(FULL)
    early = story.see(story.arrival(taints=(Taint("node.cilium.io/agent-not-ready"),)))
    assert early.basis.reason is Reason.ARRIVED
    taken = replace(story.arrival([replace(WAITS, healthy=True)]), pending=())
    story.see(taken, seconds=30)
    assert story.memory.purchases == ()
    assert story.memory.not_taken == {}


def taught(pod: SeenPod = WAITS) -> Story:
    """A story in which a machine came with less cpu than the type promises."""
    story = Story(replace(FULL, pending=(pod,)))
    story.see(replace(FULL, pending=(pod,)))
    poor = replace(story.arrival(taints=(Taint("odd"),)), pending=(pod,))
    story.see(poor)
    story.see(poor)
    assert list(story.memory.not_taken) == [kind_of(pod)]
    return story


@pytest.mark.parametrize(
    ("change", "again"),
    [
        pytest.param({"name": "job-2"}, False, id="another pod of its kind"),
        pytest.param({"labels": {"job-name": "n-2"}}, False, id="the next run of a Job"),
        pytest.param({"requests": Resources(cpu_millis=1400)}, True, id="less is requested"),
        pytest.param({"placement": Placement(host_ports=(HostPort(80),))}, True, id="other needs"),
    ],
)
def test_lesson_is_for_pods_alike(change: dict[str, object], again: bool) -> None:
    story = taught()
    pod = replace(WAITS, **change)  # type: ignore[arg-type]
    assert isinstance(story.see(replace(FULL, pending=(pod,))), ScaleOut) is again


def test_lesson_ends_when_a_pod_of_its_kind_runs_and_when_none_has_waited_for_long() -> None:
    running = taught()
    twin = replace(WAITS, name="twin", healthy=True)
    running.see(replace(with_node(FULL, 1, pods=(twin,)), pending=()))
    assert running.memory.not_taken == {}
    away = taught()
    away.see(replace(FULL, pending=()))
    assert away.memory.not_taken
    away.see(replace(FULL, pending=()), FORGOTTEN.total_seconds() + 60)
    assert away.memory.not_taken == {}


def test_memory_of_pods_is_bounded() -> None:
    many = tuple(
        replace(WAITS, name=f"job-{n}", requests=Resources(1500 + n)) for n in range(3 * MOST_PODS)
    )
    crowd = replace(FULL, pending=many, maximum=1000)
    story = Story(crowd)
    for number in range(15):
        story.see(replace(crowd, pending=many[number:]))
    assert len(story.memory.to_json()) < 100_000


def test_port_that_a_daemon_holds_on_every_machine_buys_none() -> None:
    """Each machine would come with its daemon, and the pods would wait as before."""
    port = Placement(host_ports=(HostPort(9100),))
    daemon = SeenPod("kube-system", "exporter", "DaemonSet", placement=port)
    pods = make_pods(3, placement=port)
    held = replace(make_snapshot(40), templates=(replace(TEMPLATE, daemons=(daemon,)),))
    decision = decide_calmly(replace(held, pending=pods), PENDING)
    assert decision.basis.reason is Reason.NO_MACHINE_HOLDS
    elsewhere = Placement(host_ports=(HostPort(9100, "UDP"),))
    decision = decide_calmly(replace(held, pending=make_pods(3, placement=elsewhere)), PENDING)
    assert isinstance(decision, ScaleOut)
    assert decision.add == 3


IDLE = make_snapshot(30, 0)


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        pytest.param({"held": (replace(WAITS, held_by="a claim"),)}, Reason.HELD, id="held"),
        pytest.param(
            {"pending": (replace(WAITS, priority=-11),)}, Reason.LOW_PRIORITY, id="low priority"
        ),
    ],
)
def test_pods_that_no_machine_helps_are_named_and_neither_buy_nor_keep_machines(
    waiting: dict[str, tuple[SeenPod, ...]], reason: Reason
) -> None:
    full = decide_calmly(replace(make_snapshot(40), **waiting), PENDING)  # type: ignore[arg-type]
    assert isinstance(full, Hold)
    assert full.basis.reason is reason
    assert full.basis.notes[0].about == "pod default/job"
    assert isinstance(decide_calmly(replace(IDLE, **waiting), PENDING), ScaleIn)  # type: ignore[arg-type]


BARE_MINIMUM = make_snapshot(30, 20)


@pytest.mark.parametrize(
    ("pod", "leaves"),
    [
        pytest.param({}, False, id="needs a place"),
        pytest.param({"priority": -11}, True, id="of low priority"),
        pytest.param({"leaving": True}, True, id="leaves already"),
        pytest.param({"leaving": True, "owner": ""}, True, id="leaves already, without owner"),
    ],
)
def test_only_pods_that_need_another_place_keep_a_machine(
    pod: dict[str, object], leaves: bool
) -> None:
    """The other node has ten places for twenty pods."""
    snapshot = with_node(BARE_MINIMUM, 2, pods=make_pods(15, **pod), schedulable=True)
    policy = PENDING.model_copy(update={"low_use": LowUse(share=0.6, seconds=0)})
    assert isinstance(decide_calmly(snapshot, policy), ScaleIn) is leaves


@pytest.mark.parametrize(
    ("pod", "budget", "leaves"),
    [
        pytest.param({}, {}, False, id="used up"),
        pytest.param({"starting": True, "healthy": False}, {}, True, id="has not started"),
        pytest.param({"healthy": False}, {}, False, id="unready"),
        pytest.param(
            {"healthy": False}, {"unhealthy_may_leave": True}, True, id="unready, which may leave"
        ),
    ],
)
def test_budget_counts_only_for_pods_that_it_protects(
    pod: dict[str, object], budget: dict[str, bool], leaves: bool
) -> None:
    pods = make_pods(1, **pod)
    covering = Budget("default", "b", (), allowed=0, **budget)
    snapshot = replace(with_node(make_snapshot(25, 1), 2, pods=pods), budgets=(covering,))
    assert isinstance(decide_calmly(snapshot, PENDING), ScaleIn) is leaves


def test_type_without_nodes_offers_what_its_former_nodes_have_shown() -> None:
    seen = replace(TEMPLATE, allocatable=Resources(1400, 2**32), is_seen=True)
    promised = replace(TEMPLATE, allocatable=Resources(2000, 2**32))
    _, memory = decide(replace(make_snapshot(0), templates=(seen,)), PENDING, Memory())
    empty = replace(make_snapshot(), templates=(promised,), pending=(WAITS,))
    decision, _ = decide(empty, PENDING, parse_memory(memory.to_json()))
    assert decision.basis.reason is Reason.NO_MACHINE_HOLDS
    assert isinstance(decide(empty, PENDING, Memory())[0], ScaleOut)

"""Small makers for scaling decisions; a test shows only the values that it is about."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decision import Decision
from domain.autoscaling.memory.memory import Memory
from domain.autoscaling.see.snapshot import (
    Resources,
    SeenMachine,
    SeenNode,
    SeenPod,
    Snapshot,
    Template,
)
from domain.observe.metrics.records import WindowStatistics
from domain.spec.conditions import Comparator, Statistic
from domain.spec.metrics import PODS
from domain.spec.scaling import MetricRule, ScalingPolicy

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
SIZE = Resources(cpu_millis=2000, memory_bytes=4 * 2**30)
TEMPLATE = Template("s1.large.r2", SIZE)

ADD = MetricRule(comparator=Comparator.ABOVE, threshold=32, step=1)
REMOVE = MetricRule(statistic=Statistic.MINIMUM, comparator=Comparator.BELOW, threshold=20, step=-1)
POLICY = ScalingPolicy(rules=(ADD, REMOVE))


def make_pods(count: int, **fields: object) -> tuple[SeenPod, ...]:
    return tuple(replace(SeenPod("default", f"web-{n}"), **fields) for n in range(count))  # type: ignore[arg-type]


def make_node(number: int, pods: int | Sequence[SeenPod] = 30, **fields: object) -> SeenNode:
    seen = make_pods(pods) if isinstance(pods, int) else tuple(pods)
    node = SeenNode(f"k8s-node-{number}", allocatable=SIZE, places=40, pods=seen)
    return replace(node, **fields)  # type: ignore[arg-type]


def make_machine(number: int, **fields: object) -> SeenMachine:
    born = NOON - timedelta(hours=10) + timedelta(minutes=number)
    return replace(SeenMachine(f"i-{number}", f"k8s-node-{number}", born), **fields)  # type: ignore[arg-type]


def make_snapshot(*pods: int, **fields: object) -> Snapshot:
    """A group whose nodes run these numbers of pods."""
    nodes = tuple(make_node(number, count) for number, count in enumerate(pods, 1))
    machines = tuple(make_machine(number) for number, _ in enumerate(pods, 1))
    snapshot = Snapshot(NOON, 0, 10, nodes, machines, (TEMPLATE,))
    return replace(snapshot, **fields)  # type: ignore[arg-type]


def with_node(snapshot: Snapshot, number: int, **fields: object) -> Snapshot:
    """The same with one node changed, counted from 1."""
    nodes = list(snapshot.nodes)
    nodes[number - 1] = replace(nodes[number - 1], **fields)  # type: ignore[arg-type]
    return replace(snapshot, nodes=tuple(nodes))


def with_machine(snapshot: Snapshot, number: int, **fields: object) -> Snapshot:
    machines = list(snapshot.machines)
    machines[number - 1] = replace(machines[number - 1], **fields)  # type: ignore[arg-type]
    return replace(snapshot, machines=tuple(machines))


def make_line(node: str, value: float, metric: str = PODS) -> WindowStatistics:
    return WindowStatistics("k8s-node", node, metric, "", 3, value, value, value, NOON)


def quiet(snapshot: Snapshot, policy: ScalingPolicy = POLICY, **fields: object) -> Memory:
    """A memory of hours of evaluations without a change."""
    _, memory = decide(snapshot, policy, Memory())
    long_ago = NOON - timedelta(hours=5)
    calm = Memory(
        evaluated_at=NOON - timedelta(minutes=1),
        watching_since=long_ago,
        nodes=memory.nodes,
        nodes_since=long_ago,
    )
    return replace(calm, **fields)  # type: ignore[arg-type]


def decide_calmly(snapshot: Snapshot, policy: ScalingPolicy = POLICY) -> Decision:
    """The decision when no earlier change prevents it."""
    decision, _ = decide(snapshot, policy, quiet(snapshot, policy))
    return decision

"""How long a decision takes: `python -m benchmarks.decide`.

A cluster of 5,000 nodes with 150,000 pods, and 10,000 pods that wait. Each line is one question;
the ratio says how much longer it takes than the smallest of them.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.fit.packing import Room, pack
from domain.autoscaling.fit.place import place_of_node
from domain.autoscaling.memory.memory import Memory
from domain.autoscaling.see.placement import (
    HOSTNAME,
    Operator,
    Placement,
    PodTerm,
    Requirement,
    Spread,
)
from domain.autoscaling.see.snapshot import (
    Resources,
    SeenMachine,
    SeenNode,
    SeenPod,
    Snapshot,
    Template,
)
from domain.observe.metrics.records import WindowStatistics
from domain.spec.metrics import PODS
from domain.spec.presets import PRESETS
from domain.spec.scaling import ScalingPolicy

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
GIB = 2**30
SIZE = Resources(cpu_millis=8000, memory_bytes=16 * GIB)
TEMPLATE = Template("c4r16", SIZE)
HERMIT = {"app": "hermit"}
KEEPS_APART = PodTerm(HOSTNAME, (Requirement("app", Operator.IN, ("hermit",)),), ())
APART = Placement(apart=(KEEPS_APART,))
EVEN = {"app": "even"}
OVER_NODES = Spread(HOSTNAME, 1, (Requirement("app", Operator.IN, ("even",)),))
EVENLY = Placement(spread=(OVER_NODES,))
KINDS = tuple(
    Resources(cpu_millis=50 + 10 * kind, memory_bytes=(64 + 8 * kind) * 2**20) for kind in range(20)
)


def make_pods(count: int, prefix: str, kinds: int = len(KINDS)) -> tuple[SeenPod, ...]:
    """Pods of so many kinds; beyond the known kinds each has a request of its own."""

    def requests(number: int) -> Resources:
        if kinds <= len(KINDS):
            return KINDS[number % kinds]
        return Resources(50 + number % 2000, (64 + number % 97) * 2**20)

    return tuple(
        SeenPod("shop", f"{prefix}-{number}", requests=requests(number)) for number in range(count)
    )


def make_cluster(nodes: int, pods_per_node: int) -> Snapshot:
    """A cluster at rest; its statistics say what its nodes say."""
    seen = tuple(
        SeenNode(
            f"k8s-node-{number:05}",
            allocatable=SIZE,
            places=42,
            pods=make_pods(pods_per_node, f"web-{number}"),
        )
        for number in range(nodes)
    )
    machines = tuple(
        SeenMachine(f"i-{number:05}", node.name, NOON - timedelta(days=1))
        for number, node in enumerate(seen)
    )
    statistics = [
        WindowStatistics("k8s-node", node.name, PODS, "pods", 3, pods_per_node, pods_per_node,
                         pods_per_node, NOON)
        for node in seen
    ]  # fmt: skip
    return Snapshot(NOON, 0, 5000, seen, machines, (TEMPLATE,), statistics={60: statistics})


def remembering() -> Memory:
    """A memory of a long quiet time, so that removals are thought through to their end."""
    long_ago = NOON - timedelta(hours=2)
    return Memory(
        evaluated_at=NOON - timedelta(minutes=1),
        watching_since=long_ago,
        rules_at=NOON - timedelta(minutes=1),
        nodes_since=long_ago,
    )


def pack_onto(cluster: Snapshot, pods: tuple[SeenPod, ...]) -> str:
    room = Room([place_of_node(node) for node in cluster.nodes])
    packed = pack(pods, room, TEMPLATE, 40)
    return f"{packed.machines} machines, {len(packed.unfit)} unfit"


def prepare(cluster: Snapshot, policy: ScalingPolicy) -> Callable[[], str]:
    """The question what the group needs now, asked after a long quiet time."""
    # The fingerprint of the nodes is part of a memory; only a decision makes it.
    _, seen = decide(cluster, policy, remembering())
    hour_ago = NOON - timedelta(hours=1)
    memory = replace(
        seen,
        nodes_since=hour_ago,
        rules_at=None,
        last_out=None,
        last_in=None,
        idle_since={node.name: hour_ago for node in cluster.nodes[:100]},
    )

    def ask() -> str:
        decision, _ = decide(cluster, policy, memory)
        return f"{type(decision).__name__}: {decision.basis.reason}"

    return ask


def measure(question: Callable[[], str], times: int) -> tuple[float, str]:
    """The fastest of some runs, in seconds, and what was answered."""
    fastest, answer = float("inf"), ""
    for _ in range(times):
        start = time.perf_counter()
        answer = question()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--pending", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()

    busy = make_cluster(options.nodes, 30)
    idle = make_cluster(options.nodes, 15)
    text, pending = PRESETS["article-text"], PRESETS["pending"]
    # Half as many nodes, all full, so that there is something to buy within the bounds.
    waiting = make_pods(options.pending, "new")
    crowd = replace(make_cluster(options.nodes // 2, 42), pending=waiting)
    various = make_pods(options.pending, "various", kinds=options.pending)
    hermits = tuple(replace(pod, labels=HERMIT, placement=APART) for pod in waiting)
    spread = tuple(replace(pod, labels=EVEN, placement=EVENLY) for pod in waiting)
    questions: dict[str, Callable[[], str]] = {
        "decide, at rest": prepare(busy, text),
        "decide, a rule removes": prepare(idle, text),
        "decide, low use removes": prepare(idle, pending),
        "decide, pods wait": prepare(crowd, text),
        "pack pods of 20 kinds": lambda: pack_onto(crowd, waiting),
        "pack pods, each of its own kind": lambda: pack_onto(crowd, various),
        "pack pods that keep apart": lambda: pack_onto(crowd, hermits),
        "pack pods that are spread": lambda: pack_onto(crowd, spread),
    }
    print(f"{options.nodes} nodes, {options.nodes * 30} pods, {options.pending} waiting")
    results = {name: measure(question, options.times) for name, question in questions.items()}
    least = min(seconds for seconds, _ in results.values())
    print(f"{'question':34}{'seconds':>9}{'ratio':>8}  answer")
    for name, (seconds, answer) in results.items():
        print(f"{name:34}{seconds:9.3f}{seconds / least:8.1f}  {answer}")


if __name__ == "__main__":
    main()

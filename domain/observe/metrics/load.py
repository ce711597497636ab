"""Samples of a cluster's load, from its API server."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.observe.metrics.records import Sample
from domain.spec.metrics import BUILT_IN, PODS

CONDITIONS = {
    "Ready": "ready",
    "MemoryPressure": "memoryPressure",
    "DiskPressure": "diskPressure",
    "PIDPressure": "pidPressure",
}
"""The metric of each node condition."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of pods, in cores and bytes."""

    cpu: float = 0.0
    memory: float = 0.0


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """The load of one node. `containers` are those of workload pods.

    `requested` sums all pods that are not finished, DaemonSets' included, because all of them use
    allocatable resources; None when it was not read. A condition that is unknown is None.
    """

    name: str
    group: str
    pods: int
    containers: int
    pods_allocatable: int
    allocatable: Requests
    requested: Requests | None = None
    conditions: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterLoad:
    """The nodes, and the number of pending workload pods; `unschedulable` is a part of it."""

    nodes: tuple[NodeLoad, ...]
    pending: int
    unschedulable: int


def load_samples(load: ClusterLoad, cluster: str, time: datetime, daemons: int) -> list[Sample]:
    """Convert a reading into samples; an unknown value gives none.

    Args:
        daemons: pods of DaemonSets on each node, which use places of workload pods.
    """
    numbers = [("", "", "podsPending", float(load.pending))]
    numbers.append(("", "", "podsUnschedulable", float(load.unschedulable)))
    for node in load.nodes:
        for metric, value in _of_node(node, daemons):
            numbers.append((node.group, node.name, metric, value))
    return [
        Sample(time, cluster, group, machine, metric, value, BUILT_IN[metric].unit)
        for group, machine, metric, value in numbers
    ]


def _of_node(node: NodeLoad, daemons: int) -> Iterator[tuple[str, float]]:
    yield PODS, float(node.pods)
    yield "podsRoom", float(max(0, node.pods_allocatable - daemons))
    yield "containersNum", float(node.containers)
    if node.requested is not None:
        for metric, requested, allocatable in (
            ("cpuRequested", node.requested.cpu, node.allocatable.cpu),
            ("memoryRequested", node.requested.memory, node.allocatable.memory),
        ):
            if allocatable > 0:
                yield metric, round(100.0 * requested / allocatable, 2)
    for condition, metric in CONDITIONS.items():
        known = node.conditions.get(condition)
        # A node whose kubelet stopped reporting is `Unknown`, which counts as not Ready.
        if condition == "Ready":
            yield metric, float(known is True)
        elif known is not None:
            yield metric, float(known)

"""What a cluster's own API says about its load, as samples."""

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
"""The metric of each condition that a node reports."""


@dataclass(frozen=True, slots=True)
class Requests:
    """What pods have asked for: cores and bytes."""

    cpu: float = 0.0
    memory: float = 0.0


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """One node. `containers` are those of the workload pods; a condition may be unknown: None.

    `requested` counts all pods that are not finished, daemons too, because all of them use up
    what is allocatable; it is None when nobody has asked for it.
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
    """All nodes, and the workload pods that wait; `unschedulable` ones are among the pending."""

    nodes: tuple[NodeLoad, ...]
    pending: int
    unschedulable: int


def load_samples(load: ClusterLoad, cluster: str, time: datetime, daemons: int) -> list[Sample]:
    """Turn a reading into samples; what the API does not know has none.

    Args:
        daemons: pods of DaemonSets on each node, which take places that users' pods cannot have.
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
        for metric, asked, there in (
            ("cpuRequested", node.requested.cpu, node.allocatable.cpu),
            ("memoryRequested", node.requested.memory, node.allocatable.memory),
        ):
            if there > 0:
                yield metric, round(100.0 * asked / there, 2)
    for condition, metric in CONDITIONS.items():
        known = node.conditions.get(condition)
        # A node that has fallen silent is `Unknown`, which for Ready means no.
        if condition == "Ready":
            yield metric, float(known is True)
        elif known is not None:
            yield metric, float(known)

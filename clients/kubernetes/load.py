"""A cluster's load, read in as few and as small answers as the API can give.

Pods are counted from a Table that the server prints, without objects. What pods request stands
only in their objects, which cost fifteen times as much to read; so a caller may leave it out.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from clients.kubernetes.records import MIRROR, workload_rows
from domain.kernel.names import MASTERS
from domain.node.install import GROUP_LABEL
from domain.observe.metrics.load import CONDITIONS, ClusterLoad, NodeLoad, Requests

ROLE = "node-role.kubernetes.io/control-plane"
RESTARTABLE = "Always"
"""An init container that is restarted is a side-car: it runs beside the others."""

Item = Mapping[str, Any]
Totals = Mapping[str, Requests]


def load_from(
    table: Item, nodes: Iterable[Item], pending: Iterable[Item], requested: Totals | None
) -> ClusterLoad:
    """Put the answers together.

    Args:
        table: of the pods that are not finished and not of a DaemonSet.
        pending: pods in the phase Pending, as objects.
        requested: by node, as `add_requests` gives it, or None when it was not read.
    """
    pods: dict[str, int] = defaultdict(int)
    containers: dict[str, int] = defaultdict(int)
    for node, ready in workload_rows(table):
        pods[node] += 1
        containers[node] += int(ready.partition("/")[2] or 0)
    waiting = [pod for pod in pending if waits(pod)]
    return ClusterLoad(
        nodes=tuple(_node(item, pods, containers, requested) for item in nodes),
        pending=len(waiting),
        unschedulable=sum(map(is_unschedulable, waiting)),
    )


def add_requests(pods: Iterable[Item]) -> Totals:
    """Sum what the pods on each node request; those without a node are left out."""
    cpu: dict[str, float] = defaultdict(float)
    memory: dict[str, float] = defaultdict(float)
    for pod in pods:
        spec = pod["spec"]
        node = spec.get("nodeName")
        if node and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            cpu[node] += request_of(spec, "cpu")
            memory[node] += request_of(spec, "memory")
    return {node: Requests(cpu[node], memory[node]) for node in cpu}


def request_of(spec: Item, resource: str) -> float:
    """What a pod requests, as the scheduler counts it.

    The containers run together with the side-cars; each other init container runs before them
    and beside the side-cars that were started earlier, so the largest moment decides.
    """
    side_cars = largest_init = 0.0
    for container in spec.get("initContainers") or ():
        asked = _of_container(container, resource)
        if container.get("restartPolicy") == RESTARTABLE:
            side_cars += asked
            largest_init = max(largest_init, side_cars)
        else:
            largest_init = max(largest_init, side_cars + asked)
    together = side_cars + sum(_of_container(one, resource) for one in spec["containers"])
    of_pod = _asked(spec.get("resources"), resource)
    total = max(together, largest_init) if of_pod is None else of_pod
    return total + quantity((spec.get("overhead") or {}).get(resource, 0))


def _of_container(container: Item, resource: str) -> float:
    return _asked(container.get("resources"), resource) or 0.0


def _asked(resources: Item | None, resource: str) -> float | None:
    asked = ((resources or {}).get("requests") or {}).get(resource)
    return None if asked is None else quantity(asked)


@lru_cache(maxsize=4096)  # thousands of pods ask for the same few quantities
def quantity(text: str | int | float) -> float:
    return float(parse_quantity(text))  # type: ignore[no-untyped-call]


def _node(
    item: Item, pods: Mapping[str, int], containers: Mapping[str, int], requested: Totals | None
) -> NodeLoad:
    metadata, status = item["metadata"], item.get("status", {})
    name, labels = metadata["name"], metadata.get("labels") or {}
    allocatable = status.get("allocatable") or {}
    return NodeLoad(
        name=name,
        group=labels.get(GROUP_LABEL, MASTERS if ROLE in labels else ""),
        pods=pods.get(name, 0),
        containers=containers.get(name, 0),
        pods_allocatable=int(quantity(allocatable.get("pods", 0))),
        allocatable=Requests(
            quantity(allocatable.get("cpu", 0)), quantity(allocatable.get("memory", 0))
        ),
        requested=None if requested is None else requested.get(name, Requests()),
        conditions={
            one["type"]: {"True": True, "False": False}.get(one["status"])
            for one in status.get("conditions") or ()
            if one["type"] in CONDITIONS
        },
    )


def waits(pod: Item) -> bool:
    """Whether a pending pod waits for what the cluster could give it.

    Not one that is being deleted, that somebody holds back with a gate, that starts on its node
    already, or that belongs to a daemon or to the node itself.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    owners = metadata.get("ownerReferences") or ()
    return not (
        "deletionTimestamp" in metadata
        or spec.get("schedulingGates")
        or spec.get("nodeName")
        or MIRROR in (metadata.get("annotations") or {})
        or any(owner["kind"] == "DaemonSet" for owner in owners)
    )


def is_unschedulable(pod: Item) -> bool:
    return any(
        one["type"] == "PodScheduled"
        and one["status"] == "False"
        and one.get("reason") == "Unschedulable"
        for one in pod.get("status", {}).get("conditions") or ()
    )

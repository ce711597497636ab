"""A cluster's load, from the smallest answers of the API.

Pods are counted from a Table that the server prints, without objects. Requests are only in the
objects, which take fifteen times as long to read; so they are optional.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from clients.kubernetes.quantities import Quantity, read_amount, read_quantity
from clients.kubernetes.records import MIRROR, workload_rows
from domain.kernel.names import MASTERS
from domain.node.install import GROUP_LABEL
from domain.observe.metrics.load import CONDITIONS, ClusterLoad, NodeLoad, Requests

ROLE = "node-role.kubernetes.io/control-plane"
RESTARTABLE = "Always"
"""An init container that is restarted is a side-car: it runs beside the others."""

_NOTHING = Decimal(0)

Item = Mapping[str, Any]
Totals = Mapping[str, Requests]


def load_from(
    table: Item, nodes: Iterable[Item], pending: Iterable[Item], requested: Totals | None
) -> ClusterLoad:
    """Build the load from the API's answers.

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
    """Sum the requests of the pods on each node; pods without a node are left out."""
    cpu: dict[str, Decimal] = defaultdict(Decimal)
    memory: dict[str, Decimal] = defaultdict(Decimal)
    for pod in pods:
        spec = pod["spec"]
        node = spec.get("nodeName")
        if node and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            cpu[node] += request_of(spec, "cpu")
            memory[node] += request_of(spec, "memory")
    return {node: Requests(float(cpu[node]), float(memory[node])) for node in cpu}


def request_of(spec: Item, resource: str, *, unreadable: int = 0) -> Decimal:
    """The request of a pod for a resource, as the scheduler counts it.

    The containers run together with the side-cars; each other init container runs before them
    and beside the side-cars that were started earlier, so the largest moment decides.

    Args:
        unreadable: what counts instead of a request that is not a quantity.
    """
    side_cars = largest_init = _NOTHING
    for container in spec.get("initContainers") or ():
        request = _requested(container, resource, unreadable) or _NOTHING
        if container.get("restartPolicy") == RESTARTABLE:
            side_cars += request
            largest_init = max(largest_init, side_cars)
        else:
            largest_init = max(largest_init, side_cars + request)
    together = side_cars
    for container in spec["containers"]:
        together += _requested(container, resource, unreadable) or _NOTHING
    of_pod = _requested(spec, resource, unreadable)
    total = max(together, largest_init) if of_pod is None else of_pod
    overhead = (spec.get("overhead") or {}).get(resource)
    return total if overhead is None else total + _read(overhead, unreadable)


def _requested(part: Item, resource: str, unreadable: int) -> Decimal | None:
    """The request of a container or a pod; None where it names none."""
    requested = ((part.get("resources") or {}).get("requests") or {}).get(resource)
    return None if requested is None else _read(requested, unreadable)


def _read(quantity: Quantity, unreadable: int) -> Decimal:
    amount = read_quantity(quantity)
    return Decimal(unreadable) if amount is None else amount


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
        pods_allocatable=read_amount(allocatable.get("pods", 0)),
        allocatable=Requests(
            _float(allocatable.get("cpu", 0)), _float(allocatable.get("memory", 0))
        ),
        requested=None if requested is None else requested.get(name, Requests()),
        conditions={
            one["type"]: {"True": True, "False": False}.get(one.get("status", ""))
            for one in status.get("conditions") or ()
            if one.get("type") in CONDITIONS
        },
    )


def _float(quantity: Quantity) -> float:
    return float(read_quantity(quantity) or 0)


def waits(pod: Item) -> bool:
    """Whether a pending pod waits for room in the cluster.

    False for a pod that is being deleted, has a scheduling gate, starts on its node already, or is
    a DaemonSet's or a mirror pod.
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
        one.get("type") == "PodScheduled"
        and one.get("status") == "False"
        and one.get("reason") == "Unschedulable"
        for one in pod.get("status", {}).get("conditions") or ()
    )

"""Which nodes a pod may run on: selectors, affinity, taints, and room."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.kubernetes.objects.pods import Demand, demand_of, parse_quantity, tolerates

UNSCHEDULABLE_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}

UNSCHEDULABLE = "node(s) were unschedulable"
UNTOLERATED = "node(s) had untolerated taint(s)"
UNSELECTED = "node(s) didn't match Pod's node affinity/selector"
PORTS_TAKEN = "node(s) didn't have free ports for the requested pod ports"
TOO_MANY_PODS = "Too many pods"
LITTLE_CPU = "Insufficient cpu"
LITTLE_MEMORY = "Insufficient memory"

HELPLESS = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"

Obj = Mapping[str, Any]


@dataclass(slots=True, eq=False)
class NodeRoom:
    """What a node has, and what the pods on it have taken."""

    node: Obj
    pods: int = 0  # allocatable
    cpu: int = 0  # thousandths of a core
    memory: int = 0  # bytes
    taken: dict[str, Demand] = field(default_factory=dict)  # by pod uid
    taken_cpu: int = 0
    taken_memory: int = 0

    def measure(self, node: Obj) -> None:
        """Take over what a node says it has."""
        self.node = node
        allocatable = node.get("status", {}).get("allocatable") or {}
        self.pods = int(parse_quantity(allocatable.get("pods", 0)))
        self.cpu = int(parse_quantity(allocatable.get("cpu", 0)) * 1000)
        self.memory = int(parse_quantity(allocatable.get("memory", 0)))

    def take(self, uid: str, demand: Demand) -> None:
        """Count a pod as being on this node."""
        if uid not in self.taken:
            self.taken[uid] = demand
            self.taken_cpu += demand.cpu
            self.taken_memory += demand.memory

    def free(self, uid: str) -> None:
        """Count a pod as gone from this node."""
        demand = self.taken.pop(uid, None)
        if demand is not None:
            self.taken_cpu -= demand.cpu
            self.taken_memory -= demand.memory

    def shortages(self, demand: Demand) -> list[str]:
        """Say what this node lacks for one more pod; nothing when it fits."""
        if demand.ports and any(demand.ports & other.ports for other in self.taken.values()):
            return [PORTS_TAKEN]
        lacking = []
        if len(self.taken) >= self.pods:
            lacking.append(TOO_MANY_PODS)
        if demand.cpu and self.taken_cpu + demand.cpu > self.cpu:
            lacking.append(LITTLE_CPU)
        if demand.memory and self.taken_memory + demand.memory > self.memory:
            lacking.append(LITTLE_MEMORY)
        return lacking

    def could_ever_hold(self, demand: Demand) -> bool:
        """Say whether the pod would fit if the node were empty."""
        return bool(self.pods) and demand.cpu <= self.cpu and demand.memory <= self.memory


def objection(node: Obj, pod_spec: Obj) -> str | None:
    """Say why a pod may not run on a node, apart from room; None when it may."""
    tolerations = pod_spec.get("tolerations") or ()
    spec = node.get("spec") or {}
    if spec.get("unschedulable") and not tolerates(tolerations, UNSCHEDULABLE_TAINT):
        return UNSCHEDULABLE
    if untolerated(spec.get("taints") or (), tolerations):
        return UNTOLERATED
    if not selects_node(pod_spec, node):
        return UNSELECTED
    return None


def untolerated(taints: Iterable[Obj], tolerations: Iterable[Obj]) -> bool:
    """Say whether a taint keeps a pod with these tolerations away."""
    tolerations = list(tolerations)
    return any(
        taint["effect"] in ("NoSchedule", "NoExecute") and not tolerates(tolerations, taint)
        for taint in taints
    )


def selects_node(pod_spec: Obj, node: Obj) -> bool:
    """Say whether nodeSelector and the required node affinity of a pod allow a node."""
    labels = node["metadata"].get("labels") or {}
    wanted = pod_spec.get("nodeSelector") or {}
    if not wanted.items() <= labels.items():
        return False
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(
        _term_matches(term, labels, fields) for term in required.get("nodeSelectorTerms") or ()
    )


def _term_matches(term: Obj, labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    by_label, by_field = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not by_label and not by_field:
        return False
    return all(_holds(one, labels) for one in by_label) and all(
        _holds(one, fields) for one in by_field
    )


def _holds(expression: Obj, values: Mapping[str, str]) -> bool:
    key, wanted = expression["key"], list(expression.get("values") or ())
    match expression["operator"]:
        case "In":
            return values.get(key) in wanted
        case "NotIn":
            return values.get(key) not in wanted
        case "Exists":
            return key in values
        case "DoesNotExist":
            return key not in values
        case "Gt":
            return _number(values.get(key)) > float(wanted[0])
        case "Lt":
            return -_number(values.get(key), sign=-1) < float(wanted[0])
    return False


def _number(text: str | None, sign: int = 1) -> float:
    """Read a label as a number; what is none is smaller than every number."""
    try:
        return sign * float(text or "")
    except ValueError:
        return float("-inf")


def demand_of_pod(pod: Obj) -> Demand:
    """Add up what a pod asks of a node."""
    return demand_of(pod["spec"])

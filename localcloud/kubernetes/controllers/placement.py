"""Feasible nodes of a pod: selectors, node affinity, taints, and resources."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.kubernetes.objects.pods import (
    REQUIRED,
    Demand,
    HostPort,
    amount_of,
    tolerates,
)
from localcloud.kubernetes.objects.selectors import expression_test

UNSCHEDULABLE_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}

UNSCHEDULABLE = "node(s) were unschedulable"
UNTOLERATED = "node(s) had untolerated taint(s)"
UNSELECTED = "node(s) didn't match Pod's node affinity/selector"
PORTS_TAKEN = "node(s) didn't have free ports for the requested pod ports"
TOO_MANY_PODS = "Too many pods"
LITTLE_CPU = "Insufficient cpu"
LITTLE_MEMORY = "Insufficient memory"

PREEMPTION_NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"
AWAITED = " preemption: not eligible due to a terminating pod on the nominated node."

_COUNTED = ("pods", "cpu", "memory")

Obj = Mapping[str, Any]


@dataclass(slots=True, eq=False)
class NodeRoom:
    """The allocatable resources of a node, and those requested by its pods."""

    node: Obj
    pods: int = 0  # allocatable
    cpu: int = 0  # thousandths of a core
    memory: int = 0  # bytes
    taken: dict[str, Demand] = field(default_factory=dict)  # by pod uid
    taken_cpu: int = 0
    taken_memory: int = 0
    others: dict[str, int] = field(default_factory=dict)
    taken_others: Counter[str] = field(default_factory=Counter)

    @property
    def labels(self) -> Mapping[str, str]:
        """Return the labels of the node."""
        found: Mapping[str, str] = self.node["metadata"].get("labels") or {}
        return found

    def measure(self, node: Obj) -> None:
        """Read the allocatable resources of a node."""
        self.node = node
        allocatable = node.get("status", {}).get("allocatable") or {}
        amounts = {name: amount_of(name, text) for name, text in allocatable.items()}
        self.pods, self.cpu, self.memory = (amounts.pop(name, 0) for name in _COUNTED)
        self.others = amounts

    def take(self, uid: str, demand: Demand) -> None:
        """Add a pod to this node."""
        if uid not in self.taken:
            self.taken[uid] = demand
            self.taken_cpu += demand.cpu
            self.taken_memory += demand.memory
            self.taken_others.update(dict(demand.others))

    def free(self, uid: str) -> None:
        """Remove a pod from this node."""
        demand = self.taken.pop(uid, None)
        if demand is not None:
            self.taken_cpu -= demand.cpu
            self.taken_memory -= demand.memory
            self.taken_others.subtract(dict(demand.others))

    def shortages(self, demand: Demand) -> list[str]:
        """Return what this node lacks for one more pod; empty when it fits."""
        if demand.ports and self._has_taken(demand.ports):
            return [PORTS_TAKEN]
        lacking = []
        if len(self.taken) >= self.pods:
            lacking.append(TOO_MANY_PODS)
        if demand.cpu and self.taken_cpu + demand.cpu > self.cpu:
            lacking.append(LITTLE_CPU)
        if demand.memory and self.taken_memory + demand.memory > self.memory:
            lacking.append(LITTLE_MEMORY)
        return lacking + [
            f"Insufficient {name}"
            for name, amount in demand.others
            if amount and self.taken_others[name] + amount > self.others.get(name, 0)
        ]

    def _has_taken(self, ports: Iterable[HostPort]) -> bool:
        used = [port for other in self.taken.values() for port in other.ports]
        return any(port.clashes(one) for port in ports for one in used)

    def could_ever_hold(self, demand: Demand) -> bool:
        """Return whether the pod would fit if the node were empty."""
        has_others = all(amount <= self.others.get(name, 0) for name, amount in demand.others)
        return (
            has_others
            and bool(self.pods)
            and demand.cpu <= self.cpu
            and demand.memory <= self.memory
        )


def objection(node: Obj, pod_spec: Obj) -> str | None:
    """Return why a pod may not run on a node, apart from resources, or None when it may."""
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
    """Return whether a pod with these tolerations does not tolerate a taint."""
    tolerations = list(tolerations)
    return any(
        taint["effect"] in ("NoSchedule", "NoExecute") and not tolerates(tolerations, taint)
        for taint in taints
    )


def selects_node(pod_spec: Obj, node: Obj) -> bool:
    """Return whether nodeSelector and the required node affinity of a pod allow a node."""
    labels = node["metadata"].get("labels") or {}
    wanted = pod_spec.get("nodeSelector") or {}
    if not wanted.items() <= labels.items():
        return False
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get(REQUIRED)
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
    return all(expression_test(one)(labels) for one in by_label) and all(
        expression_test(one)(fields) for one in by_field
    )


def same_for_pods(before: Obj, after: Obj) -> bool:
    """Return whether a node is unchanged for the placement of pods."""

    def facts(node: Obj) -> tuple[Any, ...]:
        spec = node.get("spec") or {}
        allocatable = node.get("status", {}).get("allocatable")
        labels = node["metadata"].get("labels")
        return labels, spec.get("taints"), spec.get("unschedulable"), allocatable

    return facts(before) == facts(after)


def claim_problem(pod: Obj) -> str | None:
    """Return why a pod with claims of other kinds fits no node; None without such claims.

    The emulated API has no ResourceClaims, and no controller of ephemeral volumes.
    """
    for volume in pod["spec"].get("volumes") or ():
        if volume.get("ephemeral"):
            name = f"{pod['metadata']['name']}-{volume['name']}"
            return (
                "waiting for ephemeral volume controller to create the persistentvolumeclaim "
                f'"{name}"'
            )
    for claim in pod["spec"].get("resourceClaims") or ():
        if name := claim.get("resourceClaimName"):
            return f'resourceclaim.resource.k8s.io "{name}" not found'
        meta = pod["metadata"]
        return f'pod "{meta["namespace"]}/{meta["name"]}": ResourceClaim not created yet'
    return None


def format_claim_problem(problem: str, nodes: int) -> str:
    """Return the scheduler's message for such a pod."""
    none = f"0/{nodes} nodes are available: "
    return (
        f"{none}{problem}. no new claims to deallocate, preemption: {none}"
        f"{nodes} {PREEMPTION_NOT_HELPFUL}."
    )


def format_refusals(refusals: Counter[str], nodes: int, end: str | None = None) -> str:
    """Return the scheduler's message for a pod without a feasible node.

    Args:
        refusals: nodes by reason, of which a node may have several; under `NO_VICTIMS`, nodes that
            could hold the pod if they were empty.
        end: what is said about preemption, where it is not that it does not help.
    """
    if not nodes:
        return "no nodes available to schedule pods"
    victims = refusals[NO_VICTIMS]
    reasons = sorted(
        f"{count} {reason}" for reason, count in refusals.items() if reason != NO_VICTIMS
    )
    hopes = sorted(
        f"{count} {reason}"
        for reason, count in ((PREEMPTION_NOT_HELPFUL, nodes - victims), (NO_VICTIMS, victims))
        if count
    )
    none = f"0/{nodes} nodes are available: "
    if end is not None:
        return f"{none}{', '.join(reasons)}.{end}"
    return (
        f"{none}{', '.join(reasons)}. no new claims to deallocate, "
        f"preemption: {none}{', '.join(hopes)}."
    )

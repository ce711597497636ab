"""Topology spread constraints with `DoNotSchedule`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.controllers.placement import selects_node, untolerated
from localcloud.kubernetes.objects.pods import is_leaving
from localcloud.kubernetes.objects.selectors import label_selector_test

UNEVEN = "node(s) didn't match pod topology spread constraints"
UNLABELLED = f"{UNEVEN} (missing required label)"

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Limit:
    """One constraint for one more pod: how many a domain may have before it."""

    topology: str
    pods: Mapping[str, int]
    most: int


def must_be_spread(pod: Obj) -> bool:
    """Return whether a pod has such constraints."""
    return any(_constraints(pod))


def limits_of(
    pod: Obj, nodes: Iterable[Node], placed: Iterable[tuple[str, Obj]]
) -> tuple[Limit, ...]:
    """Count the pods in all domains, and return the limits.

    Args:
        placed: pairs of a node's name and a pod on it.
    """
    constraints = list(_constraints(pod))
    if not constraints:
        return ()
    topologies = {one["topologyKey"] for one in constraints}
    nodes = [node for node in nodes if topologies <= _labels(node).keys()]
    namespace = pod["metadata"]["namespace"]
    others = [
        (node, other)
        for node, other in placed
        if other["metadata"]["namespace"] == namespace and not is_leaving(other)
    ]
    limits = []
    for one in constraints:
        topology = one["topologyKey"]
        selector = one.get("labelSelector") or {}
        # An empty selector selects no pod here, unlike elsewhere.
        selects = label_selector_test(selector if any(selector.values()) else None)
        domains = {
            node["metadata"]["name"]: _labels(node)[topology]
            for node in nodes
            if _counts(node, one, pod["spec"])
        }
        pods = Counter(dict.fromkeys(domains.values(), 0))
        pods.update(
            domains[node] for node, other in others if node in domains and selects(_labels(other))
        )
        fewest = min(pods.values(), default=0) if len(pods) >= one.get("minDomains", 1) else 0
        limits.append(Limit(topology, pods, one["maxSkew"] + fewest - selects(_labels(pod))))
    return tuple(limits)


def unevenness(limits: Iterable[Limit], labels: Mapping[str, str]) -> str | None:
    """Say why a pod may not run on a node with these labels; None when it may."""
    for limit in limits:
        if limit.topology not in labels:
            return UNLABELLED
        if limit.pods.get(labels[limit.topology], 0) > limit.most:
            return UNEVEN
    return None


def _constraints(pod: Obj) -> Iterator[Obj]:
    for one in pod["spec"].get("topologySpreadConstraints") or ():
        if one["whenUnsatisfiable"] == "DoNotSchedule":
            yield one


def _counts(node: Node, constraint: Obj, spec: Obj) -> bool:
    """Return whether a node is part of a domain for pods with this spec."""
    if constraint.get("nodeAffinityPolicy", "Honor") == "Honor" and not selects_node(spec, node):
        return False
    if constraint.get("nodeTaintsPolicy", "Ignore") == "Ignore":
        return True
    return not untolerated(node["spec"].get("taints") or (), spec.get("tolerations") or ())


def _labels(obj: Node) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}

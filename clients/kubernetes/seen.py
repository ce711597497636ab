"""Nodes, pods and budgets from the API's JSON, as a decision about a group's size needs them.

Pods of one controller are alike, and there may be 150,000 of them: their requirements are computed
once for each different text.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from clients.kubernetes.load import is_unschedulable, request_of, waits
from clients.kubernetes.quantities import LARGEST, read_amount
from clients.kubernetes.records import MIRROR, kubelet_from
from domain.autoscaling.see.placement import (
    HOSTNAME,
    Operator,
    Placement,
    PodTerm,
    Requirement,
    Spread,
    Taint,
    Toleration,
)
from domain.autoscaling.see.snapshot import Budget, Resources, SeenNode, SeenPod
from domain.autoscaling.see.state import LEAVING, ClusterState, Marked
from domain.node.install import GROUP_LABEL

Item = Mapping[str, Any]

AUTOSCALER = "cluster-autoscaler.kubernetes.io/"
"""Prefix of cluster-autoscaler's annotations, which have the same meaning here."""

_MEMORY = "memory"
_COUNTED = ("cpu", _MEMORY, "pods")
_NEVER = Requirement(HOSTNAME, Operator.IN)  # an empty term of a node affinity fits no node
_LABEL_OF_CORDON = "node.kubernetes.io/unschedulable"


def state_from(
    nodes: Iterable[Item],
    pods: Iterable[Item],
    budgets: Iterable[Item],
    now: datetime | None = None,
) -> ClusterState:
    """Build the state from the API's answers.

    Args:
        pods: those that are not finished.
        now: by the API server's clock, if that is known.
    """
    by_node: defaultdict[str, list[SeenPod]] = defaultdict(list)
    pending: list[SeenPod] = []
    for item in pods:
        if name := item["spec"].get("nodeName"):
            by_node[name].append(_pod(item))
        elif waits(item) and is_unschedulable(item):
            pending.append(_pod(item))
    seen, marked = [], []
    for item in nodes:
        metadata = item["metadata"]
        seen.append(_node(item, by_node[metadata["name"]], now))
        if holder := (metadata.get("annotations") or {}).get(LEAVING):
            marked.append(Marked(metadata["name"], holder))
    # Without a selector a budget covers no pod; with an empty one, all of its namespace.
    covering = tuple(_budget(one) for one in budgets if one["spec"].get("selector") is not None)
    return ClusterState(tuple(seen), tuple(pending), covering, tuple(marked), now)


def _node(item: Item, pods: list[SeenPod], now: datetime | None) -> SeenNode:
    metadata, status, spec = item["metadata"], item.get("status", {}), item.get("spec", {})
    labels = metadata.get("labels") or {}
    allocatable = status.get("allocatable") or {}
    disabled = (metadata.get("annotations") or {}).get(f"{AUTOSCALER}scale-down-disabled")
    kubelet = kubelet_from(status, now)
    return SeenNode(
        name=metadata["name"],
        group=labels.get(GROUP_LABEL, ""),
        ready=kubelet.ready,
        schedulable=not spec.get("unschedulable", False),
        allocatable=_resources(allocatable),
        places=read_amount(allocatable.get("pods", 0)),
        pods=tuple(pods),
        labels=labels,
        taints=tuple(
            Taint(taint["key"], taint.get("value", ""), taint["effect"])
            for taint in spec.get("taints") or ()
            if taint["key"] != _LABEL_OF_CORDON
        ),
        removal_disabled=disabled == "true",
        unready_seconds=kubelet.unready_seconds,
    )


def _resources(amounts: Item) -> Resources:
    return Resources(
        cpu_millis=read_amount(amounts.get("cpu", 0), unit=1000),
        memory_bytes=read_amount(amounts.get(_MEMORY, 0)),
        others=tuple(
            (name, read_amount(amount))
            for name, amount in sorted(amounts.items())
            if name not in _COUNTED and not name.startswith("hugepages-")
        ),
    )


def _pod(item: Item) -> SeenPod:
    metadata, spec = item["metadata"], item["spec"]
    annotations = metadata.get("annotations") or {}
    owners = metadata.get("ownerReferences") or ()
    safe_to_evict = annotations.get(f"{AUTOSCALER}safe-to-evict", "")
    return SeenPod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        owner=next((owner["kind"] for owner in owners if owner.get("controller")), ""),
        requests=_requests(_text(spec, _ASKING)),
        placement=_placement(_text(spec, _PLACING)),
        labels=metadata.get("labels") or {},
        is_mirror=MIRROR in annotations,
        safe_to_evict={"true": True, "false": False}.get(safe_to_evict),
        leaving="deletionTimestamp" in metadata,
        local_storage=_keeps_data(spec, annotations),
    )


_ASKING = ("containers", "initContainers", "resources", "overhead")
_PLACING = (
    "nodeSelector",
    "affinity",
    "tolerations",
    "topologySpreadConstraints",
    "containers",
    "hostNetwork",
)


def _text(spec: Item, fields: Iterable[str]) -> str:
    """The deciding fields, as a text that is the same for all pods of one controller."""
    chosen = {field: spec[field] for field in fields if spec.get(field)}
    for name in ("containers", "initContainers"):
        if name in chosen:
            chosen[name] = [
                {key: one[key] for key in ("resources", "restartPolicy", "ports") if key in one}
                for one in chosen[name]
            ]
    return json.dumps(chosen, sort_keys=True)


@lru_cache(maxsize=4096)
def _requests(text: str) -> Resources:
    spec = json.loads(text)
    named = {
        name
        for part in (spec, *spec.get("containers", ()), *spec.get("initContainers", ()))
        for name in ((part.get("resources") or {}).get("requests") or {})
    }
    return _resources(
        {
            # A pod whose request is not a quantity fits no node: no machine is bought for it, and
            # its node is not removed.
            name: request_of(spec, name, unreadable=LARGEST)
            for name in named | set(spec.get("overhead", ()))
        }
    )


@lru_cache(maxsize=4096)
def _placement(text: str) -> Placement:
    spec = json.loads(text)
    affinity = spec.get("affinity") or {}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    of_node = (affinity.get("nodeAffinity") or {}).get(required) or {}
    return Placement(
        all_of=_labels(spec.get("nodeSelector")),
        any_of=tuple(_node_term(term) for term in of_node.get("nodeSelectorTerms") or ()),
        tolerations=tuple(
            Toleration(
                one.get("key", ""),
                one.get("operator", "Equal"),
                one.get("value", ""),
                one.get("effect", ""),
            )
            for one in spec.get("tolerations") or ()
        ),
        together=tuple(_terms(affinity.get("podAffinity"), required)),
        apart=tuple(_terms(affinity.get("podAntiAffinity"), required)),
        spread=tuple(_spreads(spec.get("topologySpreadConstraints"))),
        host_ports=tuple(
            f"{port.get('protocol', 'TCP')}/{port['hostPort']}"
            for container in spec.get("containers", ())
            for port in container.get("ports") or ()
            if port.get("hostPort")
        ),
    )


def _terms(affinity: Item | None, required: str) -> Iterator[PodTerm]:
    for term in (affinity or {}).get(required) or ():
        yield PodTerm(
            term["topologyKey"],
            _selector(term.get("labelSelector")),
            tuple(term.get("namespaces") or ()),
            _selector(term.get("namespaceSelector")),
        )


def _spreads(constraints: Iterable[Item] | None) -> Iterator[Spread]:
    for one in constraints or ():
        if one["whenUnsatisfiable"] == "DoNotSchedule":
            yield Spread(
                one["topologyKey"],
                one["maxSkew"],
                _selector(one.get("labelSelector")) or (),
                one.get("minDomains", 1),
                one.get("nodeAffinityPolicy", "Honor") == "Honor",
                one.get("nodeTaintsPolicy", "Ignore") == "Honor",
            )


def _node_term(term: Item) -> tuple[Requirement, ...]:
    """A term of a node affinity. The API allows one field of nodes in it, their name."""
    fields = _expressions(one | {"key": HOSTNAME} for one in term.get("matchFields") or ())
    return _expressions(term.get("matchExpressions")) + fields or (_NEVER,)


def _selector(selector: Item | None) -> tuple[Requirement, ...] | None:
    if selector is None:
        return None
    return _labels(selector.get("matchLabels")) + _expressions(selector.get("matchExpressions"))


def _labels(labels: Item | None) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(key, Operator.IN, (value,)) for key, value in sorted((labels or {}).items())
    )


def _expressions(expressions: Iterable[Item] | None) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(one["key"], Operator(one["operator"]), tuple(one.get("values") or ()))
        for one in expressions or ()
    )


def _keeps_data(spec: Item, annotations: Item) -> bool:
    """Whether a volume of the pod is lost with its node; one of a Secret or in memory is not."""
    fine = annotations.get(f"{AUTOSCALER}safe-to-evict-local-volumes", "").split(",")
    for volume in spec.get("volumes") or ():
        on_disk = "emptyDir" in volume and (volume["emptyDir"] or {}).get("medium") != "Memory"
        if ("hostPath" in volume or on_disk) and volume["name"] not in fine:
            return True
    return False


def _budget(item: Item) -> Budget:
    metadata = item["metadata"]
    return Budget(
        namespace=metadata["namespace"],
        name=metadata["name"],
        selector=_selector(item["spec"]["selector"]) or (),
        allowed=item.get("status", {}).get("disruptionsAllowed", 0),
    )

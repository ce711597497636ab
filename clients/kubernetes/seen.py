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

from clients.kubernetes.load import RESTARTABLE, is_unschedulable, request_of, waits
from clients.kubernetes.quantities import LARGEST, read_amount
from clients.kubernetes.records import MIRROR, is_condition_true, kubelet_from
from clients.kubernetes.verdicts import find_hold
from domain.autoscaling.see.placement import (
    ANY_ADDRESS,
    HOSTNAME,
    HostPort,
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
from domain.node.drain import CORDONED
from domain.node.install import GROUP_LABEL

Item = Mapping[str, Any]

AUTOSCALER = "cluster-autoscaler.kubernetes.io/"
"""Prefix of cluster-autoscaler's annotations, which have the same meaning here."""

_MEMORY = "memory"
_COUNTED = ("cpu", _MEMORY, "pods")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_NEVER = Requirement(HOSTNAME, Operator.IN)  # an empty term of a node affinity fits no node
_LABEL_OF_CORDON = "node.kubernetes.io/unschedulable"


def state_from(
    nodes: Iterable[Item],
    pods: Iterable[Item],
    budgets: Iterable[Item],
    daemon_sets: Iterable[Item] = (),
    now: datetime | None = None,
) -> ClusterState:
    """Build the state from the API's answers.

    Args:
        pods: those that are not finished.
        now: by the API server's clock, if that is known.
    """
    nodes = list(nodes)
    ready = {
        item["metadata"]["name"]
        for item in nodes
        if is_condition_true(item.get("status") or {}, "Ready")
    }
    by_node: defaultdict[str, list[SeenPod]] = defaultdict(list)
    pending: list[SeenPod] = []
    held: list[SeenPod] = []
    for item in pods:
        status = item.get("status") or {}
        if name := item["spec"].get("nodeName") or _node_of_daemon(item):
            by_node[name].append(_pod(item))
        elif (name := status.get("nominatedNodeName", "")) in ready:
            # Pods of a lower priority leave that node for this one, which has its room from now on.
            by_node[name].append(_pod(item))
        elif waits(item) and is_unschedulable(item):
            hold = find_hold(item)
            (held if hold else pending).append(_pod(item, hold))
        elif is_held(item):
            held.append(_pod(item, find_hold(item)))
    seen, marked = [], []
    for item in nodes:
        metadata = item["metadata"]
        seen.append(_node(item, by_node[metadata["name"]], now))
        if holder := (metadata.get("annotations") or {}).get(LEAVING):
            marked.append(Marked(metadata["name"], holder))
    # Without a selector a budget covers no pod; with an empty one, all of its namespace.
    covering = tuple(_budget(one) for one in budgets if one["spec"].get("selector") is not None)
    daemons = tuple(_daemon(one) for one in daemon_sets if not _is_leaving(one))
    return ClusterState(
        tuple(seen),
        tuple(pending),
        covering,
        tuple(marked),
        time=now,
        daemons=daemons,
        held=tuple(held),
    )


def is_held(item: Item) -> bool:
    """Whether a pod waits behind a scheduling gate, or for a scheduler that fails on it."""
    if _is_leaving(item) or item["spec"].get("nodeName"):
        return False
    if item["spec"].get("schedulingGates"):
        return True
    return any(
        one.get("type") == "PodScheduled" and one.get("reason") == "SchedulerError"
        for one in (item.get("status") or {}).get("conditions") or ()
    )


def _is_leaving(item: Item) -> bool:
    return "deletionTimestamp" in item["metadata"]


def _node_of_daemon(item: Item) -> str:
    """The node that a DaemonSet's pod was made for and is not bound to yet; empty for others."""
    owners = item["metadata"].get("ownerReferences") or ()
    if not any(owner["kind"] == "DaemonSet" for owner in owners):
        return ""
    affinity = (item["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    for term in (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return ""


def _daemon(item: Item) -> SeenPod:
    """The pod that a DaemonSet runs on a node, with what its controller and the API add."""
    template, metadata = item["spec"]["template"], item["metadata"]
    spec = dict(template["spec"])
    extra = _DAEMON_TOLERATIONS + (_ON_HOST_NETWORK if spec.get("hostNetwork") else ())
    spec["tolerations"] = [*(spec.get("tolerations") or ()), *extra]
    for part in ("containers", "initContainers"):
        if spec.get(part):
            spec[part] = [_with_limits_requested(one) for one in spec[part]]
    pod = {
        "metadata": {
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "labels": (template.get("metadata") or {}).get("labels") or {},
            "ownerReferences": [{"kind": "DaemonSet", "controller": True}],
        },
        "spec": spec,
    }
    return _pod(pod)


_DAEMON_TOLERATIONS = tuple(
    {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect}
    for name, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
)
_ON_HOST_NETWORK = (
    {
        "key": "node.kubernetes.io/network-unavailable",
        "operator": "Exists",
        "effect": "NoSchedule",
    },
)
"""The tolerations that the DaemonSet controller adds to its pods."""


def _with_limits_requested(container: Item) -> Item:
    """The API server takes a limit for the request that is not given, in pods alone."""
    resources = container.get("resources") or {}
    requests = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {**container, "resources": {**resources, "requests": requests}}


def _node(item: Item, pods: list[SeenPod], now: datetime | None) -> SeenNode:
    metadata, status, spec = item["metadata"], item.get("status", {}), item.get("spec", {})
    labels = metadata.get("labels") or {}
    allocatable = status.get("allocatable") or {}
    annotations = metadata.get("annotations") or {}
    disabled = annotations.get(f"{AUTOSCALER}scale-down-disabled")
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
        removal_begun=not {CORDONED, LEAVING}.isdisjoint(annotations),
        unready_seconds=kubelet.unready_seconds,
    )


def _resources(amounts: Item) -> Resources:
    return Resources(
        cpu_millis=read_amount(amounts.get("cpu", 0), unit=1000),
        memory_bytes=read_amount(amounts.get(_MEMORY, 0)),
        others=tuple(
            (name, read_amount(amount))
            for name, amount in sorted(amounts.items())
            if name not in _COUNTED
        ),
    )


def _pod(item: Item, held_by: str = "") -> SeenPod:
    metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
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
        leaving=_is_leaving(item),
        local_storage=_keeps_data(spec, annotations),
        priority=spec.get("priority") or 0,
        starting=status.get("phase") == "Pending",
        healthy=is_condition_true(status, "Ready"),
        held_by=held_by,
    )


_ASKING = ("containers", "initContainers", "resources", "overhead")
_PLACING = (
    "nodeSelector",
    "affinity",
    "tolerations",
    "topologySpreadConstraints",
    "containers",
    "initContainers",
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
    of_node = (affinity.get("nodeAffinity") or {}).get(_REQUIRED) or {}
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
        together=tuple(_terms(affinity.get("podAffinity"))),
        apart=tuple(_terms(affinity.get("podAntiAffinity"))),
        spread=tuple(_spreads(spec.get("topologySpreadConstraints"))),
        host_ports=tuple(_host_ports(spec)),
    )


def _host_ports(spec: Item) -> Iterator[HostPort]:
    """The ports of the node that containers and side-cars use."""
    side_cars = (
        one for one in spec.get("initContainers", ()) if one.get("restartPolicy") == RESTARTABLE
    )
    for container in (*spec.get("containers", ()), *side_cars):
        for port in container.get("ports") or ():
            # The API server completes the ports of a pod on its node's network, not of a template.
            number = port.get("hostPort") or (spec.get("hostNetwork") and port["containerPort"])
            if number:
                address = port.get("hostIP") or ANY_ADDRESS
                yield HostPort(number, port.get("protocol", "TCP"), address)


def _terms(affinity: Item | None) -> Iterator[PodTerm]:
    for term in (affinity or {}).get(_REQUIRED) or ():
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
    metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    is_current = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    enough = status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0
    always = spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
    return Budget(
        namespace=metadata["namespace"],
        name=metadata["name"],
        selector=_selector(spec["selector"]) or (),
        allowed=status.get("disruptionsAllowed", 0) if is_current else 0,
        unhealthy_may_leave=always or enough,
    )

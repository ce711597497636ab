"""What the tables of kube-ui say about each kind of object."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.kubernetes.pods.kube_ui.html import Cell, Html, link, share, state

Object = Mapping[str, Any]
Counts = Mapping[str, int]
"""Pods that are not finished by the name of their node."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of objects: where the API lists it, and its table."""

    path: str
    columns: Sequence[str]
    row: Callable[[Object], Sequence[Cell]]


def name_of(item: Object) -> str:
    return str(item["metadata"]["name"])


def namespace_of(item: Object) -> str:
    return str(item["metadata"].get("namespace", ""))


def object_link(kind: str, item: Object) -> Html:
    namespace, name = namespace_of(item), name_of(item)
    return link(object_path(kind, namespace, name), name)


def object_path(kind: str, namespace: str, name: str) -> str:
    return f"/object/{kind}/{namespace or '-'}/{name}"


def age(moment: str | None) -> str:
    """How long ago a moment of the API was, as kubectl writes it: its largest unit alone."""
    if not moment:
        return ""
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{max(seconds, 0)}s"


def _age(item: Object) -> str:
    return age(item["metadata"].get("creationTimestamp"))


def node_state(node: Object) -> Html:
    conditions = {c["type"]: c["status"] for c in node.get("status", {}).get("conditions", ())}
    words, level = ["Ready"], "good"
    if conditions.get("Ready") != "True":
        words, level = ["NotReady"], "bad"
    pressures = [kind for kind, value in conditions.items() if kind != "Ready" and value == "True"]
    if node.get("spec", {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    words += pressures
    if len(words) > 1 and level == "good":
        level = "warning"
    return state(", ".join(words), level)


def node_row(node: Object, pods: Counts) -> Sequence[Cell]:
    status, labels = node.get("status", {}), node["metadata"].get("labels", {})
    prefix = "node-role.kubernetes.io/"
    roles = [one.removeprefix(prefix) for one in labels if one.startswith(prefix)]
    address = next(
        (one["address"] for one in status.get("addresses", ()) if one["type"] == "InternalIP"), ""
    )
    room = int(status.get("allocatable", {}).get("pods", 0))
    version = status.get("nodeInfo", {}).get("kubeletVersion", "")
    return (
        object_link("nodes", node),
        node_state(node),
        ", ".join(sorted(roles)),
        share(pods.get(name_of(node), 0), room),
        address,
        version,
        _age(node),
    )


def pod_state(pod: Object) -> Html:
    """The word that kubectl shows: why a container waits, else the phase."""
    status = pod.get("status", {})
    phase = str(status.get("phase", ""))
    waiting = [
        one["state"]["waiting"].get("reason", "")
        for one in status.get("containerStatuses", ())
        if one.get("state", {}).get("waiting")
    ]
    if pod["metadata"].get("deletionTimestamp"):
        return state("Terminating", "warning")
    if waiting and waiting[0]:
        return state(waiting[0], "warning" if waiting[0] == "ContainerCreating" else "bad")
    return state(
        phase, {"Running": "good", "Succeeded": "good", "Pending": "warning"}.get(phase, "bad")
    )


def _pod_row(pod: Object) -> Sequence[Cell]:
    states = pod.get("status", {}).get("containerStatuses", ())
    ready = sum(bool(one.get("ready")) for one in states)
    node = pod["spec"].get("nodeName", "")
    return (
        namespace_of(pod),
        object_link("pods", pod),
        f"{ready}/{len(pod['spec']['containers'])}",
        pod_state(pod),
        str(sum(one.get("restartCount", 0) for one in states)),
        link(object_path("nodes", "", node), node) if node else "",
        _age(pod),
    )


def _service_row(service: Object) -> Sequence[Cell]:
    spec = service.get("spec", {})
    ports = ", ".join(
        f"{port['port']}:{port['nodePort']}" if port.get("nodePort") else str(port["port"])
        for port in spec.get("ports", ())
    )
    return (
        namespace_of(service),
        object_link("services", service),
        spec.get("type", "ClusterIP"),
        spec.get("clusterIP", ""),
        ports,
        _age(service),
    )


def _namespace_row(namespace: Object) -> Sequence[Cell]:
    phase = str(namespace.get("status", {}).get("phase", ""))
    name = name_of(namespace)
    return (
        link(f"/pods?namespace={name}", name),
        state(phase, "good" if phase == "Active" else "warning"),
        _age(namespace),
    )


def _ready_of(item: Object) -> tuple[int, int]:
    """How many pods of a workload are ready, and how many it wants."""
    spec, status = item.get("spec", {}), item.get("status", {})
    if "desiredNumberScheduled" in status:
        return status.get("numberReady", 0), status["desiredNumberScheduled"]
    if "completions" in spec:
        return status.get("succeeded", 0), spec["completions"]
    return status.get("readyReplicas", 0), spec.get("replicas", 1)


def _workload_row(kind: str, plural: str) -> Callable[[Object], Sequence[Cell]]:
    def row(item: Object) -> Sequence[Cell]:
        ready, wanted = _ready_of(item)
        containers = item["spec"].get("template", {}).get("spec", {}).get("containers", ())
        return (
            kind,
            namespace_of(item),
            object_link(plural, item),
            state(f"{ready}/{wanted}", "good" if ready >= wanted else "warning"),
            ", ".join(one.get("image", "") for one in containers),
            _age(item),
        )

    return row


def event_time(event: Object) -> str:
    series = event.get("series") or {}
    return str(
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp", "")
    )


def _event_row(event: Object) -> Sequence[Cell]:
    about = event.get("involvedObject") or event.get("regarding") or {}
    kind, name = str(about.get("kind", "")), str(about.get("name", ""))
    plural = PLURALS.get(kind)
    words: Cell = f"{kind} {name}"
    if plural:
        words = Html(f"{kind} ") + link(object_path(plural, about.get("namespace", ""), name), name)
    level = "warning" if event.get("type") == "Warning" else "good"
    return (
        age(event_time(event)),
        state(str(event.get("type", "")), level),
        str(event.get("reason", "")),
        Html(words) if plural else words,
        str(event.get("message") or event.get("note") or ""),
        str(event.get("count") or (event.get("series") or {}).get("count") or 1),
    )


_WORKLOAD_COLUMNS = ("Kind", "Namespace", "Name", "Ready", "Images", "Age")


def _workload(kind: str, group: str) -> tuple[str, Kind]:
    plural = f"{kind.lower()}s"
    prefix = f"/apis/{group}/v1" if group else "/api/v1"
    return plural, Kind(f"{prefix}/{plural}", _WORKLOAD_COLUMNS, _workload_row(kind, plural))


WORKLOADS = dict(
    (
        _workload("Deployment", "apps"),
        _workload("StatefulSet", "apps"),
        _workload("DaemonSet", "apps"),
        _workload("ReplicationController", ""),
        _workload("ReplicaSet", "apps"),
        _workload("Job", "batch"),
    )
)
KINDS: Mapping[str, Kind] = {
    "namespaces": Kind("/api/v1/namespaces", ("Name", "State", "Age"), _namespace_row),
    "pods": Kind(
        "/api/v1/pods",
        ("Namespace", "Name", "Ready", "State", "Restarts", "Node", "Age"),
        _pod_row,
    ),
    "services": Kind(
        "/api/v1/services",
        ("Namespace", "Name", "Type", "Cluster IP", "Ports", "Age"),
        _service_row,
    ),
    "events": Kind(
        "/api/v1/events",
        ("Last seen", "Type", "Reason", "Object", "Message", "Times"),
        _event_row,
    ),
    **WORKLOADS,
}
NODES = Kind(
    "/api/v1/nodes",
    ("Name", "State", "Roles", "Pods", "Address", "Version", "Age"),
    lambda node: node_row(node, {}),
)
PLURALS = {
    "Node": "nodes",
    "Pod": "pods",
    "Service": "services",
    **{
        kind: f"{kind.lower()}s"
        for kind in (
            "Deployment",
            "StatefulSet",
            "DaemonSet",
            "ReplicationController",
            "ReplicaSet",
            "Job",
        )
    },
}
"""The kinds whose objects have a page."""

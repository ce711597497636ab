"""The columns of `kubectl get` for each kind, and a function from a body to their cells.

Columns that are `wide` show only with `-o wide`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.selectors import format_label_selector
from localcloud.kubernetes.printing.words import age, pod_word

Body = Mapping[str, Any]
Cells = list[Any]


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    wide: bool = False
    type: str = "string"
    format: str = ""

    def definition(self) -> dict[str, Any]:
        return {
            "description": self.name,
            "format": self.format,
            "name": self.name,
            "priority": int(self.wide),
            "type": self.type,
        }


@dataclass(frozen=True, slots=True)
class Printer:
    columns: tuple[Column, ...]
    cells: Callable[[Body, datetime], Cells]


def _name(body: Body) -> str:
    name: str = body["metadata"]["name"]
    return name


def _age(body: Body, now: datetime) -> str:
    return age(body["metadata"].get("creationTimestamp"), now)


def _status(body: Body) -> Body:
    status: Body = body.get("status") or {}
    return status


def _or_none(values: Iterable[Any], separator: str = ",") -> str:
    return separator.join(str(value) for value in values if value) or "<none>"


def _containers(body: Body) -> list[str]:
    containers = body["spec"].get("template", {}).get("spec", {}).get("containers", [])
    names = ",".join(container["name"] for container in containers)
    return [names, ",".join(container.get("image", "") for container in containers)]


def _pod(body: Body, now: datetime) -> Cells:
    status, spec = _status(body), body["spec"]
    statuses = status.get("containerStatuses") or []
    ready = sum(1 for item in statuses if item.get("ready"))
    restarts = sum(item.get("restartCount", 0) for item in statuses)
    return [
        _name(body), f"{ready}/{len(spec['containers'])}", pod_word(body), str(restarts),
        _age(body, now), status.get("podIP") or "<none>", spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>", "<none>",
    ]  # fmt: skip


def _node(body: Body, now: datetime) -> Cells:
    status, labels = _status(body), body["metadata"].get("labels") or {}
    conditions = {c["type"]: c["status"] for c in status.get("conditions", ())}
    state = {"True": "Ready", None: "Unknown"}.get(conditions.get("Ready"), "NotReady")
    if body.get("spec", {}).get("unschedulable"):
        state += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))
    addresses = {a["type"]: a["address"] for a in status.get("addresses", ())}
    info = status.get("nodeInfo", {})
    kernel = info.get("kernelVersion") or "<unknown>"
    if info.get("architecture"):
        kernel += f" ({info['architecture']})"
    return [
        _name(body), state, _or_none(roles), _age(body, now), info.get("kubeletVersion", ""),
        addresses.get("InternalIP", "<none>"), addresses.get("ExternalIP", "<none>"),
        info.get("osImage") or "<unknown>", kernel,
        info.get("containerRuntimeVersion") or "<unknown>",
    ]  # fmt: skip


def _replicating(body: Body, now: datetime) -> Cells:
    status, selector = _status(body), body["spec"].get("selector") or {}
    if body["kind"] == kinds.REPLICATION_CONTROLLER.kind:
        selector = {"matchLabels": selector}
    return [
        _name(body), body["spec"].get("replicas", 0), status.get("replicas", 0),
        status.get("readyReplicas", 0), _age(body, now), *_containers(body),
        format_label_selector(selector),
    ]  # fmt: skip


def _deployment(body: Body, now: datetime) -> Cells:
    status = _status(body)
    return [
        _name(body), f"{status.get('readyReplicas', 0)}/{body['spec'].get('replicas', 0)}",
        status.get("updatedReplicas", 0), status.get("availableReplicas", 0), _age(body, now),
        *_containers(body), format_label_selector(body["spec"].get("selector")),
    ]  # fmt: skip


def _daemon_set(body: Body, now: datetime) -> Cells:
    status, template = _status(body), body["spec"].get("template", {})
    nodes = (template.get("spec") or {}).get("nodeSelector") or {}
    return [
        _name(body), status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0), status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0),
        _or_none(f"{key}={value}" for key, value in sorted(nodes.items())), _age(body, now),
        *_containers(body), format_label_selector(body["spec"].get("selector")),
    ]  # fmt: skip


def _service(body: Body, now: datetime) -> Cells:
    spec = body["spec"]
    ports = []
    for port in spec.get("ports", ()):
        number = f"{port['port']}:{port['nodePort']}" if port.get("nodePort") else port["port"]
        ports.append(f"{number}/{port['protocol']}")
    ingress = _status(body).get("loadBalancer", {}).get("ingress", ())
    outside = [item.get("ip") or item.get("hostname") for item in ingress]
    outside += spec.get("externalIPs", [])
    if spec["type"] == "ExternalName":
        outside = [spec.get("externalName", "")]
    external = _or_none(outside)
    if spec["type"] == "LoadBalancer" and not outside:
        external = "<pending>"
    selector = spec.get("selector") or {}
    return [
        _name(body), spec["type"], spec.get("clusterIP") or "<none>", external, _or_none(ports),
        _age(body, now), _or_none(f"{k}={v}" for k, v in sorted(selector.items())),
    ]  # fmt: skip


def _shortened(values: Sequence[str], shown: int = 3) -> str:
    """Return the first few values, and the count of the others."""
    if len(values) <= shown:
        return ",".join(values) or "<none>"
    return f"{','.join(values[:shown])} + {len(values) - shown} more..."


def _endpoints(body: Body, now: datetime) -> Cells:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in body.get("subsets") or ()
        for port in subset.get("ports") or ()
        for address in subset.get("addresses") or ()
    ]
    return [_name(body), _shortened(found), _age(body, now)]


def _endpoint_slice(body: Body, now: datetime) -> Cells:
    ports = [str(port.get("port", "*")) for port in body.get("ports") or ()]
    addresses = [a for item in body.get("endpoints") or () for a in item.get("addresses", ())]
    shown = _shortened(ports) if ports else "<unset>"
    return [
        _name(body), body.get("addressType", "IPv4"), shown,
        _shortened(addresses) if addresses else "<unset>", _age(body, now),
    ]  # fmt: skip


def _namespace(body: Body, now: datetime) -> Cells:
    return [_name(body), _status(body).get("phase", ""), _age(body, now)]


def _config_map(body: Body, now: datetime) -> Cells:
    size = len(body.get("data") or {}) + len(body.get("binaryData") or {})
    return [_name(body), size, _age(body, now)]


def _secret(body: Body, now: datetime) -> Cells:
    return [_name(body), body.get("type", "Opaque"), len(body.get("data") or {}), _age(body, now)]


def _service_account(body: Body, now: datetime) -> Cells:
    return [_name(body), _age(body, now)]


def _role(body: Body, now: datetime) -> Cells:
    return [_name(body), body["metadata"].get("creationTimestamp", "")]


def _role_binding(body: Body, now: datetime) -> Cells:
    reference, subjects = body["roleRef"], body.get("subjects") or ()

    def named(kind: str) -> str:
        return ", ".join(item["name"] for item in subjects if item["kind"] == kind)

    accounts = ", ".join(
        f"{item.get('namespace', '')}/{item['name']}"
        for item in subjects
        if item["kind"] == "ServiceAccount"
    )
    role = f"{reference['kind']}/{reference['name']}"
    return [_name(body), role, _age(body, now), named("User"), named("Group"), accounts]


def _disruption_budget(body: Body, now: datetime) -> Cells:
    spec = body.get("spec", {})
    return [
        _name(body), str(spec.get("minAvailable", "N/A")), str(spec.get("maxUnavailable", "N/A")),
        _status(body).get("disruptionsAllowed", 0), _age(body, now),
    ]  # fmt: skip


def _event(body: Body, now: datetime) -> Cells:
    about = body.get("involvedObject", {})
    first = body.get("firstTimestamp") or body.get("eventTime")
    last = (body.get("series") or {}).get("lastObservedTime") or body.get("lastTimestamp") or first
    source = body.get("source", {})
    component = source.get("component") or body.get("reportingComponent", "")
    host = source.get("host") or body.get("reportingInstance", "")
    target = f"{about.get('kind', '').lower()}/{about.get('name', '')}"
    return [
        age(last, now), body.get("type", ""), body.get("reason", ""), target,
        about.get("fieldPath", ""), ", ".join(filter(None, (component, host))),
        body.get("message", "").strip(), age(first, now), body.get("count") or 1, _name(body),
    ]  # fmt: skip


def _lease(body: Body, now: datetime) -> Cells:
    return [_name(body), body.get("spec", {}).get("holderIdentity", ""), _age(body, now)]


def _priority_class(body: Body, now: datetime) -> Cells:
    policy = body.get("preemptionPolicy", "")
    default = bool(body.get("globalDefault"))
    return [_name(body), body.get("value", 0), default, _age(body, now), policy]


def _modes(body: Body) -> str:
    words = {
        "ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX",
        "ReadWriteOncePod": "RWOP",
    }  # fmt: skip
    return ",".join(words.get(mode, mode) for mode in body.get("accessModes") or ())


def _phase(body: Body) -> str:
    if body["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str(_status(body).get("phase", ""))


def _claim(body: Body, now: datetime) -> Cells:
    spec, status = body["spec"], _status(body)
    return [
        _name(body), _phase(body), spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", ""), _modes(status),
        spec.get("storageClassName", ""), "<unset>", _age(body, now), spec.get("volumeMode", ""),
    ]  # fmt: skip


def _persistent_volume(body: Body, now: datetime) -> Cells:
    spec, claim = body["spec"], body["spec"].get("claimRef")
    return [
        _name(body), (spec.get("capacity") or {}).get("storage", ""), _modes(spec),
        spec.get("persistentVolumeReclaimPolicy", ""), _phase(body),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        spec.get("storageClassName", ""), "<unset>", _status(body).get("reason", ""),
        _age(body, now), spec.get("volumeMode", ""),
    ]  # fmt: skip


def _storage_class(body: Body, now: datetime) -> Cells:
    notes = body["metadata"].get("annotations") or {}
    is_default = notes.get("storageclass.kubernetes.io/is-default-class") == "true"
    return [
        _name(body) + (" (default)" if is_default else ""), body.get("provisioner", ""),
        body.get("reclaimPolicy", ""), body.get("volumeBindingMode", ""),
        bool(body.get("allowVolumeExpansion")), _age(body, now),
    ]  # fmt: skip


def _volume_attachment(body: Body, now: datetime) -> Cells:
    spec = body["spec"]
    return [
        _name(body), spec["attacher"], spec["source"].get("persistentVolumeName", ""),
        spec["nodeName"], str(_status(body).get("attached", False)).lower(), _age(body, now),
    ]  # fmt: skip


def _api_service(body: Body, now: datetime) -> Cells:
    service = body["spec"].get("service")
    place = f"{service.get('namespace')}/{service.get('name')}" if service else "Local"
    conditions = {one["type"]: one for one in _status(body).get("conditions") or ()}
    available = conditions.get("Available", {})
    word = str(available.get("status", "Unknown"))
    if word == "False":
        word += f" ({available.get('reason', '')})"
    return [_name(body), place, word, _age(body, now)]


_NAME = Column("Name", format="name")
_AGE = Column("Age")
_OWNED = (Column("Containers", wide=True), Column("Images", wide=True))
_SELECTOR = Column("Selector", wide=True)


def _counts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, type="integer") for name in names)


def _texts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name) for name in names)


def _wides(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, wide=True) for name in names)


_NAME_AND_AGE = Printer((_NAME, _AGE), lambda body, now: [_name(body), _age(body, now)])
_REPLICATING = Printer(
    (_NAME, *_counts("Desired", "Current", "Ready"), _AGE, *_OWNED, _SELECTOR), _replicating
)
_ROLES = Printer((_NAME, Column("Created At")), _role)
_BINDINGS = Printer(
    (_NAME, Column("Role"), _AGE, *_wides("Users", "Groups", "ServiceAccounts")), _role_binding
)
_PRINTERS = {
    kinds.POD: Printer(
        (
            _NAME, *_texts("Ready", "Status", "Restarts"), _AGE,
            *_wides("IP", "Node", "Nominated Node", "Readiness Gates"),
        ),
        _pod,
    ),
    kinds.NODE: Printer(
        (
            _NAME, *_texts("Status", "Roles"), _AGE, Column("Version"),
            *_wides("Internal-IP", "External-IP", "OS-Image", "Kernel-Version"),
            *_wides("Container-Runtime"),
        ),
        _node,
    ),
    kinds.REPLICATION_CONTROLLER: _REPLICATING,
    kinds.REPLICA_SET: _REPLICATING,
    kinds.DEPLOYMENT: Printer(
        (_NAME, *_texts("Ready", "Up-to-date", "Available"), _AGE, *_OWNED, _SELECTOR), _deployment
    ),
    kinds.DAEMON_SET: Printer(
        (
            _NAME, *_counts("Desired", "Current", "Ready", "Up-to-date", "Available"),
            Column("Node Selector"), _AGE, *_OWNED, _SELECTOR,
        ),
        _daemon_set,
    ),
    kinds.SERVICE: Printer(
        (_NAME, *_texts("Type", "Cluster-IP", "External-IP", "Port(s)"), _AGE, _SELECTOR), _service
    ),
    kinds.ENDPOINTS: Printer((_NAME, Column("Endpoints"), _AGE), _endpoints),
    kinds.ENDPOINT_SLICE: Printer(
        (_NAME, *_texts("AddressType", "Ports", "Endpoints"), _AGE), _endpoint_slice
    ),
    kinds.NAMESPACE: Printer((_NAME, Column("Status"), _AGE), _namespace),
    kinds.CONFIG_MAP: Printer((_NAME, Column("Data"), _AGE), _config_map),
    kinds.SECRET: Printer((_NAME, Column("Type"), Column("Data"), _AGE), _secret),
    kinds.SERVICE_ACCOUNT: Printer((_NAME, _AGE), _service_account),
    kinds.ROLE: _ROLES,
    kinds.CLUSTER_ROLE: _ROLES,
    kinds.ROLE_BINDING: _BINDINGS,
    kinds.CLUSTER_ROLE_BINDING: _BINDINGS,
    kinds.POD_DISRUPTION_BUDGET: Printer(
        (
            _NAME, *_texts("Min Available", "Max Unavailable"), *_counts("Allowed Disruptions"),
            _AGE,
        ),
        _disruption_budget,
    ),
    kinds.EVENT: Printer(
        (
            *_texts("Last Seen", "Type", "Reason", "Object"), *_wides("Subobject", "Source"),
            Column("Message"), *_wides("First Seen", "Count"),
            Column("Name", wide=True, format="name"),
        ),
        _event,
    ),
    kinds.CLAIM: Printer(
        (
            _NAME, *_texts("Status", "Volume", "Capacity", "Access Modes", "StorageClass"),
            Column("VolumeAttributesClass"), _AGE, Column("VolumeMode", wide=True),
        ),
        _claim,
    ),
    kinds.PERSISTENT_VOLUME: Printer(
        (
            _NAME, *_texts("Capacity", "Access Modes", "Reclaim Policy", "Status", "Claim"),
            *_texts("StorageClass", "VolumeAttributesClass", "Reason"), _AGE,
            Column("VolumeMode", wide=True),
        ),
        _persistent_volume,
    ),
    kinds.STORAGE_CLASS: Printer(
        (
            _NAME, *_texts("Provisioner", "ReclaimPolicy", "VolumeBindingMode"),
            Column("AllowVolumeExpansion", type="boolean"), _AGE,
        ),
        _storage_class,
    ),
    kinds.VOLUME_ATTACHMENT: Printer(
        (_NAME, *_texts("Attacher", "PV", "Node", "Attached"), _AGE), _volume_attachment
    ),
    kinds.API_SERVICE: Printer((_NAME, *_texts("Service", "Available"), _AGE), _api_service),
    kinds.LEASE: Printer((_NAME, Column("Holder"), _AGE), _lease),
    kinds.PRIORITY_CLASS: Printer(
        (
            _NAME, *_counts("Value"), Column("Global-Default", type="boolean"), _AGE,
            Column("PreemptionPolicy"),
        ),
        _priority_class,
    ),
}  # fmt: skip


def find_printer(kind: Kind) -> Printer:
    """Return the printer of a kind; by default, name and age."""
    return _PRINTERS.get(kind, _NAME_AND_AGE)

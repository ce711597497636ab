"""Defaults of the API server, and its normal forms of values.

Every function completes a body in place; the body belongs to the request. All are idempotent.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.pod_defaults import (
    NOT_READY,
    complete_pod,
    complete_pod_spec,
    quantities,
)
from localcloud.kubernetes.objects.schema import Record, record, record_of

Body = dict[str, Any]

_ZEROS: Mapping[str, Any] = {"boolean": False, "int32": 0, "int64": 0, "string": ""}

PROTECTIONS = {
    kinds.CLAIM: "kubernetes.io/pvc-protection",
    kinds.PERSISTENT_VOLUME: "kubernetes.io/pv-protection",
}
"""Finalizers of what is not removed while it is used."""

_DRIVER: Mapping[str, Any] = {
    "attachRequired": True,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "podInfoOnMount": False,
    "requiresRepublish": False,
    "seLinuxMount": False,
    "storageCapacity": False,
}


def without_nulls(value: Any) -> Any:
    """Copy a document without its nulls, which mean "not given"."""
    # Most values are texts: no call for each of them, for the speed of every write.
    if isinstance(value, dict):
        return {
            key: item if type(item) is str else without_nulls(item)
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def complete(kind: Kind, body: Body) -> None:
    """Set the defaults of one kind, and remove empty fields."""
    _drop_empty(body["metadata"], "annotations", "finalizers", "labels", "ownerReferences")
    _drop_empty(body, "binaryData", "data")
    completer = _COMPLETERS.get(kind)
    if completer:
        completer(body)
    if "status" in body:
        _write_zeros(record(record_of(kind).fields["status"].type), body["status"])


def _write_zeros(of: Record, body: Body) -> None:
    """Set required fields of a status to Go's zero values."""
    for name in of.required:
        field = of.fields[name]
        if not field.container and field.type in _ZEROS:
            body.setdefault(name, _ZEROS[field.type])
    for name, value in body.items():
        known = of.fields.get(name)
        if known is not None and known.is_record:
            for item in value if isinstance(value, list) else [value]:
                _write_zeros(record(known.type), item)


def _drop_empty(record: Body, *names: str) -> None:
    for name in names:
        if name in record and not record[name]:
            del record[name]


# Controllers of pods


def _template(spec: Body) -> Body:
    """Complete the pod template of a controller, and return its labels."""
    template = spec.get("template")
    if not isinstance(template, dict):
        return {}
    template.setdefault("metadata", {})
    if isinstance(template.get("spec"), dict):
        complete_pod_spec(template["spec"])
    labels: Body = template["metadata"].get("labels") or {}
    return labels


def _replication_controller(body: Body) -> None:
    spec = body.setdefault("spec", {})
    labels = _template(spec)
    spec.setdefault("replicas", 1)
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        body["metadata"].setdefault("labels", dict(labels))
    body.setdefault("status", {})


def _replica_set(body: Body) -> None:
    spec = body.setdefault("spec", {})
    _template(spec)
    spec.setdefault("replicas", 1)
    body.setdefault("status", {})


def _rolling(strategy: Body, defaults: Mapping[str, Any]) -> None:
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        for field, value in defaults.items():
            rolling.setdefault(field, value)


def _deployment(body: Body) -> None:
    spec = body.setdefault("spec", {})
    _template(spec)
    spec.setdefault("replicas", 1)
    spec.setdefault("progressDeadlineSeconds", 600)
    spec.setdefault("revisionHistoryLimit", 10)
    _rolling(spec.setdefault("strategy", {}), {"maxSurge": "25%", "maxUnavailable": "25%"})
    body.setdefault("status", {})


def _daemon_set(body: Body) -> None:
    spec = body.setdefault("spec", {})
    _template(spec)
    spec.setdefault("revisionHistoryLimit", 10)
    _rolling(spec.setdefault("updateStrategy", {}), {"maxSurge": 0, "maxUnavailable": 1})
    body.setdefault("status", {})


def _disruption_budget(body: Body) -> None:
    body.setdefault("spec", {})
    status = body.setdefault("status", {})
    for field in ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"):
        status.setdefault(field, 0)


# Everything else


def taint_new_node(body: Body) -> None:
    """Taint a new node as not ready, as admission does."""
    taints = body.setdefault("spec", {}).setdefault("taints", [])
    if not any(taint.get("key") == NOT_READY for taint in taints):
        taints.append({"effect": "NoSchedule", "key": NOT_READY})


def _node(body: Body) -> None:
    body.setdefault("spec", {})
    status = body.setdefault("status", {})
    quantities(status.get("capacity"))
    quantities(status.get("allocatable"))
    if status.get("capacity"):
        status.setdefault("allocatable", dict(status["capacity"]))
    status.setdefault("daemonEndpoints", {"kubeletEndpoint": {"Port": 0}})
    status.setdefault("nodeInfo", {})


def _namespace(body: Body) -> None:
    labels = body["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = body["metadata"].get("name", "")
    body.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    body.setdefault("status", {}).setdefault("phase", "Active")


def _service(body: Body) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    for port in spec.get("ports", ()):
        if isinstance(port, dict):
            port.setdefault("protocol", "TCP")
            port.setdefault("targetPort", port.get("port"))
    body.setdefault("status", {}).setdefault("loadBalancer", {})


def _priority_class(body: Body) -> None:
    body.setdefault("value", 0)


def _secret(body: Body) -> None:
    body.setdefault("type", "Opaque")
    plain = body.pop("stringData", None)
    if plain:  # for writing only
        encoded = {name: b64encode(text.encode()).decode() for name, text in plain.items()}
        body["data"] = {**body.get("data", {}), **encoded}


def _binding(body: Body) -> None:
    body["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", **body.get("roleRef", {})}
    for subject in body.get("subjects", ()):
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", "rbac.authorization.k8s.io")


def _persistent_volume(body: Body) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    quantities(spec.get("capacity"))
    body.setdefault("status", {}).setdefault("phase", "Pending")


def _claim(body: Body) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("volumeMode", "Filesystem")
    quantities((spec.get("resources") or {}).get("requests"))
    body.setdefault("status", {}).setdefault("phase", "Pending")


def protect_new(kind: Kind, body: Body) -> None:
    """Add the finalizer that keeps a claim or a volume while it is used, as admission does."""
    if (finalizer := PROTECTIONS.get(kind)) is not None:
        finalizers = body["metadata"].setdefault("finalizers", [])
        if finalizer not in finalizers:
            finalizers.append(finalizer)


def _storage_class(body: Body) -> None:
    body.setdefault("reclaimPolicy", "Delete")
    body.setdefault("volumeBindingMode", "Immediate")


def _csi_driver(body: Body) -> None:
    spec = body.setdefault("spec", {})
    for name, value in _DRIVER.items():
        spec.setdefault(name, value)
    spec.setdefault("volumeLifecycleModes", ["Persistent"])


def _api_service(body: Body) -> None:
    if service := body.setdefault("spec", {}).get("service"):
        service.setdefault("port", 443)
    body.setdefault("status", {})


def _endpoint_slice(body: Body) -> None:
    body.setdefault("endpoints", [])
    for port in body.get("ports", ()):
        port.setdefault("protocol", "TCP")
        port.setdefault("name", "")


_COMPLETERS: dict[Kind, Callable[[Body], None]] = {
    kinds.POD: complete_pod,
    kinds.REPLICATION_CONTROLLER: _replication_controller,
    kinds.REPLICA_SET: _replica_set,
    kinds.DEPLOYMENT: _deployment,
    kinds.DAEMON_SET: _daemon_set,
    kinds.POD_DISRUPTION_BUDGET: _disruption_budget,
    kinds.NODE: _node,
    kinds.NAMESPACE: _namespace,
    kinds.SERVICE: _service,
    kinds.PRIORITY_CLASS: _priority_class,
    kinds.SECRET: _secret,
    kinds.ROLE_BINDING: _binding,
    kinds.CLUSTER_ROLE_BINDING: _binding,
    kinds.ENDPOINT_SLICE: _endpoint_slice,
    kinds.PERSISTENT_VOLUME: _persistent_volume,
    kinds.CLAIM: _claim,
    kinds.STORAGE_CLASS: _storage_class,
    kinds.CSI_DRIVER: _csi_driver,
    kinds.API_SERVICE: _api_service,
}

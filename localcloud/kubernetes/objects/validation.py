"""Validation of objects: the common mistakes, with the real server's messages."""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.controller_validation import (
    check_disruption_budget,
    check_replication_controller,
    check_selecting,
)
from localcloud.kubernetes.objects.defaults import complete
from localcloud.kubernetes.objects.failures import Cause, quoted
from localcloud.kubernetes.objects.immutability import forbidden_changes
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.metadata_validation import (
    check_labels,
    check_metadata,
    faults,
    one_of,
)
from localcloud.kubernetes.objects.names import config_key
from localcloud.kubernetes.objects.placement_validation import EFFECTS
from localcloud.kubernetes.objects.pod_validation import (
    PROTOCOLS,
    check_pod_spec,
    port_number,
)
from localcloud.kubernetes.objects.shapes import check_fields

Body = Mapping[str, Any]

_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_LARGEST_CONTENTS = 1024 * 1024  # bytes


def complete_and_check(kind: Kind, body: dict[str, Any], before: Body | None) -> list[Cause]:
    """Set the defaults of a body, and return its errors.

    Args:
        before: the stored body on an update.

    Raises:
        ApiFailure: 400 for a field of the wrong JSON type.
    """
    missing = check_fields(kind, body, before)
    try:
        complete(kind, body)
        causes = _check(kind, body, before)
    except KeyError:  # a field is missing
        if not missing:
            raise
        return missing
    named = {cause.field for cause in causes}
    return causes + [cause for cause in missing if cause.field not in named]


def _check(kind: Kind, body: Body, before: Body | None) -> list[Cause]:
    causes = [*check_metadata(kind, body["metadata"], before["metadata"] if before else None)]
    checker = _CHECKERS.get(kind)
    # A write of the status keeps the spec, which was validated when it was stored.
    is_new = before is None or "spec" not in body or body["spec"] is not before.get("spec")
    if checker and is_new:
        causes += checker(body)
    if before is not None:
        causes += forbidden_changes(kind, body, before)
    return causes


def _pod(body: Body) -> Iterator[Cause]:
    yield from check_pod_spec(body.get("spec") or {}, "spec")


def _service(body: Body) -> Iterator[Cause]:
    spec = body["spec"]
    ports = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield Cause.required("spec.ports")
    if spec.get("type") == "ExternalName" and not spec.get("externalName"):
        yield Cause.required("spec.externalName")
    names: set[str] = set()
    for index, port in enumerate(ports):
        place, name = f"spec.ports[{index}]", port.get("name", "")
        if len(ports) > 1 and not name:
            yield Cause.required(f"{place}.name")
        elif name and name in names:
            yield Cause.duplicate(f"{place}.name", name)
        names.add(name)
        yield from port_number(port.get("port", 0), f"{place}.port")
        yield from one_of(port, "protocol", PROTOCOLS, place)
        yield from port_number(port.get("targetPort"), f"{place}.targetPort")
    yield from check_labels(spec.get("selector"), "spec.selector")
    yield from one_of(spec, "sessionAffinity", ("ClientIP", "None"), "spec")
    yield from one_of(spec, "type", _SERVICE_TYPES, "spec")


def _config_map(body: Body) -> Iterator[Cause]:
    data, binary = body.get("data") or {}, body.get("binaryData") or {}
    for key in data:
        yield from faults(f"data[{key}]", key, config_key(key))
        if key in binary:
            text = "duplicate of key present in binaryData"
            yield Cause.invalid(f"data[{key}]", quoted(key), text)
    for key in binary:
        yield from faults(f"binaryData[{key}]", key, config_key(key))
    texts = sum(len(value.encode()) for value in data.values())
    if texts + sum(len(b64decode(value)) for value in binary.values()) > _LARGEST_CONTENTS:
        yield Cause.too_long("[]", _LARGEST_CONTENTS)


def _secret(body: Body) -> Iterator[Cause]:
    data = body.get("data") or {}
    for key in data:
        yield from faults(f"data[{key}]", key, config_key(key))
    if sum(len(b64decode(value)) for value in data.values()) > _LARGEST_CONTENTS:
        yield Cause.too_long("data", _LARGEST_CONTENTS)
    if body.get("type") == "kubernetes.io/tls":
        for key in ("tls.crt", "tls.key"):
            if key not in data:
                yield Cause.required(f"data[{key}]")


def _node(body: Body) -> Iterator[Cause]:
    for index, taint in enumerate(body["spec"].get("taints") or ()):
        yield from one_of(taint, "effect", EFFECTS, f"metadata.taints[{index}]")


def _binding(body: Body) -> Iterator[Cause]:
    if not body["roleRef"].get("name"):
        yield Cause.required("roleRef.name")


ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")


def _claim(body: Body) -> Iterator[Cause]:
    spec = body["spec"]
    if not spec.get("accessModes"):
        yield Cause.required("spec.accessModes", "at least 1 access mode is required")
    for index, mode in enumerate(spec.get("accessModes") or ()):
        if mode not in ACCESS_MODES:
            yield Cause.unsupported(f"spec.accessModes[{index}]", mode, ACCESS_MODES)
    if not ((spec.get("resources") or {}).get("requests") or {}).get("storage"):
        yield Cause.required("spec.resources[storage]")


def _persistent_volume(body: Body) -> Iterator[Cause]:
    spec = body["spec"]
    if not spec.get("accessModes"):
        yield Cause.required("spec.accessModes")
    if not (spec.get("capacity") or {}).get("storage"):
        yield Cause.required("spec.capacity")


def _storage_class(body: Body) -> Iterator[Cause]:
    if not body.get("provisioner"):
        yield Cause.required("provisioner")


def _volume_attachment(body: Body) -> Iterator[Cause]:
    for field in ("attacher", "nodeName"):
        if not body["spec"].get(field):
            yield Cause.required(f"spec.{field}")


def _api_service(body: Body) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    if (service := spec.get("service")) is not None:
        for field in ("namespace", "name"):
            if not service.get(field):
                yield Cause.required(f"spec.service.{field}")


_CHECKERS: dict[Kind, Callable[[Body], Iterator[Cause]]] = {
    kinds.POD: _pod,
    kinds.REPLICATION_CONTROLLER: check_replication_controller,
    kinds.REPLICA_SET: check_selecting,
    kinds.DEPLOYMENT: check_selecting,
    kinds.DAEMON_SET: check_selecting,
    kinds.SERVICE: _service,
    kinds.POD_DISRUPTION_BUDGET: check_disruption_budget,
    kinds.CONFIG_MAP: _config_map,
    kinds.SECRET: _secret,
    kinds.NODE: _node,
    kinds.CLAIM: _claim,
    kinds.PERSISTENT_VOLUME: _persistent_volume,
    kinds.STORAGE_CLASS: _storage_class,
    kinds.VOLUME_ATTACHMENT: _volume_attachment,
    kinds.API_SERVICE: _api_service,
    kinds.ROLE_BINDING: _binding,
    kinds.CLUSTER_ROLE_BINDING: _binding,
}

"""Subresources: scale, binding, eviction, log, token, finalize."""

from collections.abc import Mapping
from typing import Any

from localcloud.clock import stamp
from localcloud.kubernetes.access.tokens import ISSUER, Tokens
from localcloud.kubernetes.api.calls import Answer, Call, Content, Document, Target, document
from localcloud.kubernetes.api.eviction import evict
from localcloud.kubernetes.api.patch import merge_patch
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.failures import (
    ApiFailure,
    Cause,
    bad_request,
    conflict,
    invalid_request,
)
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.registry import Registry
from localcloud.kubernetes.objects.selectors import format_label_selector
from localcloud.kubernetes.objects.store import Body, Stored
from localcloud.kubernetes.pods.log import read_log

_HOUR = 3600
_SHORTEST_TOKEN, _LONGEST_TOKEN = 600, 2**32  # seconds


def answer(registry: Registry, tokens: Tokens, kind: Kind, call: Call, target: Target) -> Answer:
    """Answer a call to any subresource except status and proxy."""
    match target.subresource:
        case "scale":
            return _scale(registry, kind, call, target)
        case "binding":
            return _bind(registry, call, target)
        case "eviction":
            evict(registry, target, require_object(call.body), call.query)
            return document(success_status(201), 201)
        case "log":
            return _log(registry, call, target)
        case "token":
            return _token(registry, tokens, call, target)
        case "finalize":
            return Document(registry.finalize(target.name, require_object(call.body)), 200, kind)
        case _:
            what = f"{target.resource}/{target.subresource}"
            message = (
                f"{what} is not emulated: the nodes and pods of this cluster run no processes; "
                "`kubectl logs` and the proxies of pods and services work"
            )
            raise ApiFailure(501, "NotImplemented", message)


def require_object(body: Any, kind: Kind | None = None) -> Mapping[str, Any]:
    """Return the body of a call, which must be an object."""
    if not isinstance(body, Mapping):
        wanted = f" (must be of type {kind.kind})" if kind else ""
        raise bad_request(f"the object provided is unrecognized{wanted}: couldn't get version/kind")
    return body


def success_status(code: int | None = None, details: dict[str, Any] | None = None) -> Body:
    """Return a Status object of success."""
    status: Body = {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success"}
    if code:
        status["code"] = code
    if details:
        status["details"] = details
    return status


def deleted_status(kind: Kind, body: Mapping[str, Any]) -> Body:
    """Return the answer of DELETE for a removed object."""
    metadata = body["metadata"]
    details = {"name": metadata["name"], "kind": kind.plural, "uid": metadata["uid"]}
    if kind.group:
        details["group"] = kind.group
    return success_status(details=details)


# Scale


def _scale(registry: Registry, kind: Kind, call: Call, target: Target) -> Document:
    stored = registry.read(kind, target.namespace, target.name)
    if call.method == "GET":
        return document(_scale_of(stored))
    wanted = require_object(call.body)
    if call.method == "PATCH":
        wanted = merge_patch(_scale_of(stored), wanted)
    version = (wanted.get("metadata") or {}).get("resourceVersion", "")
    registry.require_version(kind, target.name, stored, version)
    body = stored.copy()
    body["spec"]["replicas"] = (wanted.get("spec") or {}).get("replicas", 0)
    updated = registry.update(kind, target.namespace, target.name, body, dry_run=call.dry_run)
    return document(_scale_of(updated))


def _scale_of(stored: Stored) -> Body:
    body = stored.body
    selector = body["spec"].get("selector") or {}
    if body["kind"] == kinds.REPLICATION_CONTROLLER.kind:
        selector = {"matchLabels": selector}
    kept = ("creationTimestamp", "name", "namespace", "resourceVersion", "uid")
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {key: body["metadata"][key] for key in kept},
        "spec": {"replicas": body["spec"].get("replicas", 0)},
        "status": {
            "replicas": body.get("status", {}).get("replicas", 0),
            "selector": format_label_selector(selector),
        },
    }


# Pods


def _bind(registry: Registry, call: Call, target: Target) -> Document:
    """Bind a pod to a node, which is possible once."""
    stored = registry.read(kinds.POD, target.namespace, target.name)
    wanted = require_object(call.body)
    node = (wanted.get("target") or {}).get("name")
    if not node:
        raise bad_request("target.name: Required value")
    uid = (wanted.get("metadata") or {}).get("uid")
    if uid and uid != stored.body["metadata"]["uid"]:
        raise conflict(kinds.POD, target.name, "the pod has been replaced by another one")
    if stored.body["spec"].get("nodeName"):
        already = stored.body["spec"]["nodeName"]
        why = f'pod {target.name} is already assigned to node "{already}"'
        raise conflict(kinds.POD, target.name, why)
    if stored.body["metadata"].get("deletionTimestamp"):
        why = f"pod {target.name} is being deleted, cannot be assigned to a host"
        raise conflict(kinds.POD, target.name, why)
    now = stamp(registry.clock.now())

    def edit(pod: Body) -> None:
        pod["spec"]["nodeName"] = node
        pod["status"].pop("nominatedNodeName", None)
        conditions = pod["status"].setdefault("conditions", [])
        conditions[:] = [item for item in conditions if item["type"] != "PodScheduled"]
        conditions.append(
            {
                "type": "PodScheduled",
                "status": "True",
                "lastProbeTime": None,
                "lastTransitionTime": now,
            }
        )

    registry.change(kinds.POD, stored, edit, dry_run=call.dry_run)
    return document(success_status(201), 201)


def _log(registry: Registry, call: Call, target: Target) -> Content:
    pod = registry.read(kinds.POD, target.namespace, target.name).body
    text = read_log(pod, call.query.get("container", ""), call.query)
    return Content(text.encode(), content_type="text/plain")


# Service accounts


def _token(registry: Registry, tokens: Tokens, call: Call, target: Target) -> Document:
    account = registry.read(kinds.SERVICE_ACCOUNT, target.namespace, target.name)
    wanted = dict(call.body or {})
    spec = wanted.get("spec") or {}
    seconds = int(spec.get("expirationSeconds") or _HOUR)
    _require_duration(seconds)
    token, ends = tokens.sign(
        target.namespace, target.name, account.body["metadata"]["uid"], seconds
    )
    return document(
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {
                "creationTimestamp": stamp(registry.clock.now()),
                "name": target.name,
                "namespace": target.namespace,
            },
            "spec": {"audiences": [ISSUER], "expirationSeconds": seconds},
            "status": {"expirationTimestamp": ends, "token": token},
        },
        201,
    )


def _require_duration(seconds: int) -> None:
    why = ""
    if seconds < _SHORTEST_TOKEN:
        why = "may not specify a duration less than 10 minutes"
    elif seconds > _LONGEST_TOKEN:
        why = "may not specify a duration larger than 2^32 seconds"
    if why:
        cause = Cause.invalid("spec.expirationSeconds", str(seconds), why)
        raise invalid_request("TokenRequest", "authentication.k8s.io", [cause])

"""The common writes of controllers and kubelets."""

from typing import Any

from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.objects.kinds import Kind

Obj = dict[str, Any]

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


async def merge(api: ApiClient, kind: Kind, obj: Obj, change: Obj, subresource: str = "") -> Obj:
    """Change fields of an object: null removes, lists are replaced. Returns the new object."""
    meta = obj["metadata"]
    path = kind.path(meta.get("namespace", ""), meta["name"], subresource)
    changed: Obj = await api.request("PATCH", path, body=change, content_type=MERGE)
    return changed


async def merge_status(api: ApiClient, kind: Kind, obj: Obj, status: Obj) -> Obj | None:
    """Write fields of a status, null to remove. Returns None when nothing would change."""
    current = obj.get("status") or {}
    change = {field: value for field, value in status.items() if current.get(field) != value}
    if not change:
        return None
    return await merge(api, kind, obj, {"status": change}, "status")


async def strategic_status(api: ApiClient, kind: Kind, obj: Obj, status: Obj) -> Obj:
    """Merge into a status by keys (conditions by type), with the uid as precondition."""
    meta = obj["metadata"]
    path = kind.path(meta.get("namespace", ""), meta["name"], "status")
    body = {"metadata": {"uid": meta["uid"]}, "status": status}
    changed: Obj = await api.request("PATCH", path, body=body, content_type=STRATEGIC)
    return changed


async def delete(api: ApiClient, kind: Kind, obj: Obj, grace: int | None = None) -> Obj:
    """Delete an object, with its uid as precondition.

    Args:
        grace: grace seconds of a pod; None for the pod's own setting.

    Returns: the object if it still exists, or the server's Status.
    """
    meta = obj["metadata"]
    options: Obj = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": meta["uid"]},
        "propagationPolicy": "Background",
    }
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    path = kind.path(meta.get("namespace", ""), meta["name"])
    answer: Obj = await api.request("DELETE", path, body=options)
    return answer

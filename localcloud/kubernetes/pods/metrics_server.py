"""What metrics-server answers: the resources that nodes and pods use.

No container runs here, so that nothing is used. The numbers follow from the requests: a tenth of
the processors and half of the memory that a pod has asked for.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from localcloud.clock import stamp
from localcloud.kubernetes.objects.kinds import EXTENSIONS, METRICS
from localcloud.kubernetes.objects.pods import parse_quantity
from localcloud.kubernetes.pods.http import OWN, ReadApi, Reply, Request

PORT = 10250
_ROOT = f"/apis/{METRICS}"
_WINDOW = "20.123s"
_SHARES = {"cpu": Decimal("0.1"), "memory": Decimal("0.5")}
_LEAST = {"cpu": Decimal("0.001"), "memory": Decimal(4 * 2**20)}
_OF_SYSTEM = {"cpu": Decimal("0.05"), "memory": Decimal(400 * 2**20)}

Obj = Mapping[str, Any]
Usage = dict[str, Decimal]


async def answer(pod: Obj, request: Request, read: ReadApi | None) -> Reply:
    """Answer a request of the API server's aggregation layer, with the rights of the pod."""
    parts = request.path.removeprefix(_ROOT).strip("/").split("/")
    if read is None or not request.path.startswith(_ROOT):
        return _status(404, "NotFound", f"the server could not find {request.path}")
    for needed in ("/api/v1/nodes", "/api/v1/pods"):
        status, found = await read(needed, OWN)
        if status != 200:
            why = found.get("message", "") if isinstance(found, dict) else ""
            return _status(503, "ServiceUnavailable", f"metrics not available yet: {why}")
        if needed.endswith("nodes"):
            nodes = found["items"]
        else:
            pods = [one for one in found["items"] if _runs(one)]
    match parts:
        case [""]:
            return _json(200, _resources())
        case ["nodes"]:
            return _list("NodeMetricsList", [_of_node(one, pods) for one in nodes])
        case ["nodes", name]:
            return _one([_of_node(n, pods) for n in nodes if n["metadata"]["name"] == name], name)
        case ["pods"]:
            return _list("PodMetricsList", [_of_pod(one) for one in pods])
        case ["namespaces", space, "pods"]:
            return _list("PodMetricsList", [_of_pod(one) for one in _inside(pods, space)])
        case ["namespaces", space, "pods", name]:
            inside = [_of_pod(p) for p in _inside(pods, space) if p["metadata"]["name"] == name]
            return _one(inside, name)
    return _status(404, "NotFound", f"the server could not find {request.path}")


def _runs(pod: Obj) -> bool:
    return bool((pod.get("status") or {}).get("phase") == "Running")


def _inside(pods: Iterable[Obj], namespace: str) -> list[Obj]:
    return [pod for pod in pods if pod["metadata"]["namespace"] == namespace]


def _used_by(container: Obj) -> Usage:
    requests = (container.get("resources") or {}).get("requests") or {}
    return {
        name: max(_LEAST[name], parse_quantity(requests.get(name, "0")) * share)
        for name, share in _SHARES.items()
    }


def _of_pod(pod: Obj) -> dict[str, Any]:
    containers = [
        {"name": one["name"], "usage": _quantities(_used_by(one))}
        for one in pod["spec"]["containers"]
    ]
    metadata = {name: pod["metadata"][name] for name in ("name", "namespace")}
    return {**_head("PodMetrics", pod, metadata), "containers": containers}


def _of_node(node: Obj, pods: Iterable[Obj]) -> dict[str, Any]:
    name, usage = node["metadata"]["name"], dict(_OF_SYSTEM)
    for pod in pods:
        if pod["spec"].get("nodeName") == name:
            for container in pod["spec"]["containers"]:
                usage = {key: usage[key] + more for key, more in _used_by(container).items()}
    return {**_head("NodeMetrics", node, {"name": name}), "usage": _quantities(usage)}


def _head(kind: str, about: Obj, metadata: dict[str, Any]) -> dict[str, Any]:
    labels = about["metadata"].get("labels") or {}
    return {
        "apiVersion": METRICS,
        "kind": kind,
        "metadata": {**metadata, **({"labels": labels} if labels else {})},
        "timestamp": stamp(datetime.now(UTC)),
        "window": _WINDOW,
    }


def _quantities(usage: Usage) -> dict[str, str]:
    return {"cpu": f"{int(usage['cpu'] * 10**9)}n", "memory": f"{int(usage['memory'] / 1024)}Ki"}


def _resources() -> dict[str, Any]:
    kinds = EXTENSIONS[f"{METRICS.partition('/')[2]}.{METRICS.partition('/')[0]}"]
    resources = [
        {
            "kind": kind.kind,
            "name": kind.plural,
            "namespaced": kind.namespaced,
            "singularName": "",
            "verbs": list(kind.verbs),
        }
        for kind in kinds
    ]
    return {
        "apiVersion": "v1",
        "groupVersion": METRICS,
        "kind": "APIResourceList",
        "resources": resources,
    }


def _list(kind: str, items: list[dict[str, Any]]) -> Reply:
    body = {"apiVersion": METRICS, "items": items, "kind": kind, "metadata": {}}
    return _json(200, body)


def _one(found: list[dict[str, Any]], name: str) -> Reply:
    if not found:
        return _status(404, "NotFound", f'metrics of "{name}" not found')
    return _json(200, found[0])


def _status(status: int, reason: str, message: str) -> Reply:
    body = {
        "apiVersion": "v1",
        "code": status,
        "kind": "Status",
        "message": message,
        "metadata": {},
        "reason": reason,
        "status": "Failure",
    }
    return _json(status, body)


def _json(status: int, body: Any) -> Reply:
    return Reply(status, {"content-type": "application/json"}, json.dumps(body).encode())

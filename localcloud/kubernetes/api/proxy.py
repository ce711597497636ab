"""`pods/…/proxy` and `services/…/proxy`: HTTP to a pod through the API server."""

import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

from localcloud.kubernetes.api.calls import Answer, Call, Content, Target
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.failures import ApiFailure, bad_request, not_found, unavailable
from localcloud.kubernetes.objects.store import Body, Store
from localcloud.kubernetes.pods.http import Reply, Request

Serve = Callable[[Body, int, Request], Awaitable[Reply]]
"""Answers a request to a port of a pod. Raises ConnectionRefusedError where nothing listens."""

_LOST = ("connection", "content-length", "transfer-encoding", "keep-alive")


class PodProxy:
    """Finds the pod of a proxy path, and forwards the request."""

    def __init__(self, store: Store, serve: Serve, chance: random.Random) -> None:
        self._store = store
        self._serve = serve
        self._random = chance

    async def __call__(self, call: Call, target: Target) -> Answer:
        """Answer one proxied request.

        Raises:
            ApiFailure: 404 for no such object, 503 where no pod answers.
        """
        if not target.slashed:
            # Relative links of the page need a trailing slash.
            return Content(b"", 301, headers=(("location", _slashed(call)),))
        _, name, port = _parts(target.name)
        if target.resource == kinds.POD.plural:
            pod, number = self._pod(target.namespace, name, port)
        else:
            pod, number = self._backend(target.namespace, name, port)
        return await self._pass_on(call, pod, number, "/" + target.rest)

    async def ask(self, call: Call, namespace: str, service: str, port: str) -> Answer:
        """Let a pod of a service answer a call under its own path. Raises as a call does."""
        pod, number = self._backend(namespace, service, port)
        return await self._pass_on(call, pod, number, call.path)

    async def _pass_on(self, call: Call, pod: Body, number: int, path: str) -> Answer:
        query = urlencode(call.query)
        body = call.body if isinstance(call.body, bytes) else b""
        request = Request(call.method, path, query, {}, body)
        try:
            reply = await self._serve(pod, number, request)
        except OSError as error:
            address = pod.get("status", {}).get("podIP", "")
            message = f"error trying to reach service: dial tcp {address}:{number}: {error}"
            raise unavailable(message) from error
        headers = tuple((k, v) for k, v in reply.headers.items() if k not in _LOST)
        kind = reply.headers.get("content-type", "text/plain; charset=utf-8")
        kept = tuple((key, value) for key, value in headers if key != "content-type")
        return Content(reply.body, reply.status, kind, kept)

    def _pod(self, namespace: str, name: str, port: str) -> tuple[Body, int]:
        stored = self._store.find(kinds.POD, namespace, name)
        if stored is None:
            raise not_found(kinds.POD, name)
        if not stored.body.get("status", {}).get("podIP"):
            raise bad_request(f"address not allowed: pod {name} has no address yet")
        ports = [p for c in stored.body["spec"]["containers"] for p in c.get("ports", ())]
        if not port:
            return stored.body, ports[0]["containerPort"] if ports else 80
        return stored.body, _number(port, stored.body)

    def _backend(self, namespace: str, name: str, port: str) -> tuple[Body, int]:
        """Choose a ready pod of a service, and the number of its port."""
        service = self._store.find(kinds.SERVICE, namespace, name)
        if service is None:
            raise not_found(kinds.SERVICE, name)
        ports = service.body["spec"].get("ports") or []
        wanted = [p for p in ports if port in (p.get("name"), str(p["port"]))] if port else ports
        if not wanted or (not port and len(ports) > 1):
            raise _no_endpoints(name, port)
        pods = list(self._ready(namespace, service.body["spec"].get("selector")))
        if not pods:
            raise _no_endpoints(name, port)
        pod = self._random.choice(pods)
        return pod, _number(str(wanted[0]["targetPort"]), pod)

    def _ready(self, namespace: str, selector: dict[str, str] | None) -> Iterator[Body]:
        for stored in self._store.select(kinds.POD, namespace) if selector else ():
            labels = stored.body["metadata"].get("labels") or {}
            conditions = stored.body.get("status", {}).get("conditions", ())
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
            if ready and (selector or {}).items() <= labels.items():
                yield stored.body


def _parts(name: str) -> tuple[str, str, str]:
    """Split `name`, `name:port` or `scheme:name:port`."""
    parts = name.split(":")
    match len(parts):
        case 1:
            return "", parts[0], ""
        case 2:
            return "", parts[0], parts[1]
        case 3:
            return parts[0], parts[1], parts[2]
    raise bad_request(f'invalid service request "{name}"')


def _number(port: str, pod: dict[str, Any]) -> int:
    if port.isdigit():
        return int(port)
    for container in pod["spec"]["containers"]:
        for known in container.get("ports", ()):
            if known.get("name") == port:
                number: int = known["containerPort"]
                return number
    raise unavailable(f"pod {pod['metadata']['name']} has no port named {port}")


def _no_endpoints(name: str, port: str) -> ApiFailure:
    label = f"{name}:{port}" if port else name
    return unavailable(f'no endpoints available for service "{label}"')


def _slashed(call: Call) -> str:
    query = urlencode(call.query)
    return f"{quote(call.path, safe='/:')}/" + (f"?{query}" if query else "")

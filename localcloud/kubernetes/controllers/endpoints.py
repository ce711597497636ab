"""Endpoints and EndpointSlices: the pods of a Service."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Any

from localcloud.clock import stamp
from localcloud.kubernetes.client.informer import Key, Obj, key_of
from localcloud.kubernetes.client.writes import delete, merge
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.endpoint_forms import (
    PortMap,
    endpoint_of,
    ports_for,
    ports_of,
    subsets_of,
)
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.kinds import ENDPOINT_SLICE, ENDPOINTS, POD, SERVICE
from localcloud.kubernetes.objects.pods import is_finished, is_leaving, is_ready

NAME = "endpoint-controller"
SLICES = "endpointslice-controller.k8s.io"
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_LABEL = "endpointslice.kubernetes.io/managed-by"

PER_SLICE = 100
PER_ENDPOINTS = 1000  # the older kind is truncated here, as upstream

PAUSE_PER_POD = 0.001  # seconds
LONGEST_REST = 1.0


class EndpointsController:
    """Writes the addresses of each Service with a selector."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._clock = context.clock
        self._services = context.informers.of(SERVICE)
        self._pods = context.informers.of(POD)
        self._endpoints = context.informers.of(ENDPOINTS)
        self._slices = context.informers.of(ENDPOINT_SLICE)
        self._services.index("namespace", lambda one: [one["metadata"]["namespace"]])
        self._pods.index("label", _labels_of)
        self._slices.index("service", _service_of)
        self._sizes: dict[Key, int] = {}
        self._queue = WorkQueue[Key](NAME, self._sync, context.clock, self._pause)
        self._services.on_change(
            lambda before, after: self._queue.add(key_of(after or before or {}))
        )
        self._pods.on_change(self._pod_changed)

    async def run(self) -> None:
        """Run until cancelled."""
        await self._queue.run()

    def _pause(self, key: Key) -> float:
        """Pause between syncs of a Service with many pods, because each writes all."""
        return min(self._sizes.get(key, 0) * PAUSE_PER_POD, LONGEST_REST)

    def _pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        if before is not None and after is not None and _serving(before) == _serving(after):
            return
        for pod in filter(None, (before, after)):
            labels = pod["metadata"].get("labels") or {}
            for service in self._services.by("namespace", pod["metadata"]["namespace"]):
                selector = service["spec"].get("selector")
                if selector and selector.items() <= labels.items():
                    self._queue.add(key_of(service))

    async def _sync(self, key: Key) -> None:
        service = self._services.objects.get(key)
        slices = list(self._slices.by("service", key))
        if service is None or is_leaving(service):
            self._sizes.pop(key, None)
            await self._remove(key, slices)
            return
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return
        pods = self._pods_behind(service)
        self._sizes[key] = len(pods)
        await self._write_endpoints(service, pods)
        await self._write_slices(service, pods, slices)

    async def _remove(self, key: Key, slices: list[Obj]) -> None:
        endpoints = self._endpoints.objects.get(key)
        if endpoints is not None and _is_ours(endpoints):
            await delete(self._api, ENDPOINTS, endpoints)
        for one in slices:
            if one["metadata"]["labels"].get(MANAGED_LABEL) == SLICES:
                await delete(self._api, ENDPOINT_SLICE, one)

    def _pods_behind(self, service: Obj) -> list[Obj]:
        selector = service["spec"]["selector"]
        namespace = service["metadata"]["namespace"]
        rarest = min(
            (self._pods.by("label", (namespace, *pair)) for pair in selector.items()), key=len
        )
        return sorted(
            (
                pod
                for pod in rarest
                if selector.items() <= (pod["metadata"].get("labels") or {}).items()
                and pod.get("status", {}).get("podIP")
                and not is_finished(pod)
            ),
            key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]),
        )

    async def _write_endpoints(self, service: Obj, pods: list[Obj]) -> None:
        meta = service["metadata"]
        present = [pod for pod in pods if not is_leaving(pod)]
        wanted = {"subsets": subsets_of(service, present[:PER_ENDPOINTS])}
        known = self._endpoints.objects.get(key_of(service))
        if known is not None:
            if (known.get("subsets") or []) != wanted["subsets"]:
                self._endpoints.learn(await merge(self._api, ENDPOINTS, known, wanted))
            return
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {
                "name": meta["name"],
                "namespace": meta["namespace"],
                "annotations": self._changed_now(),
                "labels": {
                    **(meta.get("labels") or {}),
                    "endpoints.kubernetes.io/managed-by": NAME,
                },
            },
            **wanted,
        }
        path = ENDPOINTS.path(meta["namespace"])
        self._endpoints.learn(await self._api.request("POST", path, body=body))

    def _changed_now(self) -> dict[str, str]:
        return {"endpoints.kubernetes.io/last-change-trigger-time": stamp(self._clock.now())}

    async def _write_slices(self, service: Obj, pods: list[Obj], slices: list[Obj]) -> None:
        """Update the slices whose endpoints have changed."""
        slices = [one for one in slices if one["metadata"]["labels"].get(MANAGED_LABEL) == SLICES]
        by_ports: dict[PortMap, dict[str, Obj]] = {ports_for(service, None): {}}
        for pod in pods:
            ports = ports_for(service, pod)
            by_ports.setdefault(ports, {})[pod["metadata"]["uid"]] = endpoint_of(service, pod)
        if len(by_ports) > 1 and not by_ports[ports_for(service, None)]:
            del by_ports[ports_for(service, None)]
        for ports, wanted in by_ports.items():
            mine = [one for one in slices if ports_of(one) == ports]
            slices = [one for one in slices if one not in mine]
            await self._fill(service, ports, wanted, mine)
        for stale in slices:
            await delete(self._api, ENDPOINT_SLICE, stale)

    async def _fill(
        self, service: Obj, ports: PortMap, wanted: dict[str, Obj], slices: list[Obj]
    ) -> None:
        fresh = dict(wanted)
        kept: list[tuple[Obj, list[Obj]]] = []
        for one in slices:
            uids = [endpoint["targetRef"]["uid"] for endpoint in one.get("endpoints") or ()]
            kept.append((one, [fresh.pop(uid) for uid in uids if uid in fresh]))
        new = iter(fresh.values())
        filled = False
        for one, endpoints in kept:
            endpoints += islice(new, max(PER_SLICE - len(endpoints), 0))
            if not endpoints and (filled or wanted):
                await delete(self._api, ENDPOINT_SLICE, one)
                continue
            filled = True
            if endpoints != (one.get("endpoints") or []):
                change = {"endpoints": endpoints}
                self._slices.learn(await merge(self._api, ENDPOINT_SLICE, one, change))
        while (chunk := list(islice(new, PER_SLICE))) or not filled:
            filled = True
            await self._create_slice(service, ports, chunk)
            await asyncio.sleep(0)

    async def _create_slice(self, service: Obj, ports: PortMap, endpoints: list[Obj]) -> None:
        meta = service["metadata"]
        body = {
            "apiVersion": ENDPOINT_SLICE.api_version,
            "kind": "EndpointSlice",
            "metadata": {
                "generateName": meta["name"] + "-",
                "namespace": meta["namespace"],
                "annotations": self._changed_now(),
                "labels": {
                    **(meta.get("labels") or {}),
                    MANAGED_LABEL: SLICES,
                    SERVICE_LABEL: meta["name"],
                },
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "Service",
                        "name": meta["name"],
                        "uid": meta["uid"],
                        "controller": True,
                        "blockOwnerDeletion": True,
                    }
                ],
            },
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [
                {"name": name, "port": port, "protocol": protocol} for name, protocol, port in ports
            ],
        }
        path = ENDPOINT_SLICE.path(meta["namespace"])
        self._slices.learn(await self._api.request("POST", path, body=body))


def _labels_of(pod: Obj) -> Iterator[tuple[str, str, str]]:
    namespace = pod["metadata"]["namespace"]
    for name, value in (pod["metadata"].get("labels") or {}).items():
        yield namespace, name, value


def _service_of(endpoint_slice: Obj) -> list[Key]:
    meta = endpoint_slice["metadata"]
    name = (meta.get("labels") or {}).get(SERVICE_LABEL)
    return [(meta["namespace"], name)] if name else []


def _serving(pod: Obj) -> tuple[Any, ...]:
    """Return the facts of a pod that the endpoints of a Service show."""
    return (
        pod["metadata"].get("labels"),
        pod.get("status", {}).get("podIP"),
        is_ready(pod),
        is_leaving(pod),
        is_finished(pod),
    )


def _is_ours(endpoints: Obj) -> bool:
    labels = endpoints["metadata"].get("labels") or {}
    return labels.get("endpoints.kubernetes.io/managed-by") == NAME

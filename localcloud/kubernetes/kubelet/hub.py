"""Shared by the kubelets of one cluster: one watch a kind, the pod network, the NodePorts.

With a watch for each of a thousand kubelets, each change of a pod would be tested a thousand times.
"""

import asyncio
import logging
import socket
from itertools import count
from typing import Any, Protocol

from localcloud.kubernetes.client.informer import Informer, Key, Obj, key_of
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.objects.kinds import ENDPOINT_SLICE, NODE, POD, SERVICE
from localcloud.kubernetes.pods.network import PodNetwork

SERVICE_LABEL = "kubernetes.io/service-name"

log = logging.getLogger(__name__)


class Member(Protocol):
    """A kubelet, as the hub notifies it."""

    @property
    def name(self) -> str: ...
    def pod_changed(self, before: Obj | None, after: Obj | None) -> None: ...
    def node_changed(self, after: Obj | None) -> None: ...
    def ports_changed(self, ports: frozenset[int]) -> None: ...


class Hub:
    """Runs while it has at least one member."""

    def __init__(self, api: ApiClient) -> None:
        self.network = PodNetwork()
        self._members: dict[str, Member] = {}
        self._pods = Informer(api, POD, {"fieldSelector": "spec.nodeName!="})
        self._nodes = Informer(api, NODE)
        self._services = Informer(api, SERVICE)
        self._slices = Informer(api, ENDPOINT_SLICE)
        self._pods.index("node", lambda pod: [pod["spec"]["nodeName"]])
        self._slices.index("service", _service_of)
        self._ports: dict[int, tuple[Key, str]] = {}
        self._turn = count()
        self._tasks: list[asyncio.Task[None]] = []
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)
        self._services.on_change(self._service_changed)

    def join(self, member: Member) -> None:
        """Notify a kubelet of its pods, its node and the NodePorts, first existing ones."""
        if not self._members:
            self._tasks = [
                asyncio.create_task(one.run(), name=f"kubelets watch {one.kind.plural}")
                for one in (self._pods, self._nodes, self._services, self._slices)
            ]
        first = member.name not in self._members
        self._members[member.name] = member
        if not first:
            log.warning(
                "a second kubelet has the name %s: the first one gets no more changes", member.name
            )
        member.ports_changed(frozenset(self._ports))
        node = self._nodes.objects.get(("", member.name))
        if node is not None:
            member.node_changed(node)
        for pod in list(self._pods.by("node", member.name)):
            member.pod_changed(None, pod)

    async def leave(self, member: Member) -> bool:
        """Stop notifying a kubelet; return whether the hub has no members left."""
        if self._members.get(member.name) is member:
            del self._members[member.name]
        if self._members:
            return False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.network.close()
        return True

    def connect(self, node_port: int, connection: socket.socket) -> None:
        """Pass a connection to a NodePort to one of its ready pods, in turn."""
        found = self._ports.get(node_port)
        targets = [] if found is None else self._targets(*found)
        if not targets:
            connection.close()
            return
        address, port = targets[next(self._turn) % len(targets)]
        self.network.accept(address, port, connection)

    def _targets(self, service: Key, port_name: str) -> list[tuple[str, int]]:
        return [
            (endpoint["addresses"][0], port["port"])
            for one in self._slices.by("service", service)
            for port in one.get("ports") or ()
            if port.get("name", "") == port_name
            for endpoint in one.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready", True)
        ]

    def _pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        member = self._members.get((after or before or {})["spec"]["nodeName"])
        if member is not None:
            member.pod_changed(before, after)

    def _node_changed(self, before: Obj | None, after: Obj | None) -> None:
        member = self._members.get((after or before or {})["metadata"]["name"])
        if member is not None:
            member.node_changed(after)

    def _service_changed(self, before: Obj | None, after: Obj | None) -> None:
        known = frozenset(self._ports)
        if before is not None:
            gone = key_of(before)
            self._ports = {port: one for port, one in self._ports.items() if one[0] != gone}
        if after is not None:
            self._ports |= {port: (key_of(after), name) for port, name in _node_ports(after)}
        if frozenset(self._ports) != known:
            for member in self._members.values():
                member.ports_changed(frozenset(self._ports))


_hubs: dict[ApiClient, Hub] = {}
"""By client: kubelets that share a client share a hub."""


def hub_of(api: ApiClient) -> Hub:
    """Return the hub of all kubelets with the same client."""
    if api not in _hubs:
        _hubs[api] = Hub(api)
    return _hubs[api]


def find_hub(api: ApiClient) -> Hub | None:
    """Return the hub of the kubelets with a client, or None."""
    return _hubs.get(api)


async def leave_hub(api: ApiClient, member: Member) -> None:
    """Leave the hub; the last member closes it."""
    hub = _hubs.get(api)
    if hub is not None and await hub.leave(member):
        _hubs.pop(api, None)


def _service_of(endpoint_slice: Obj) -> list[Key]:
    meta = endpoint_slice["metadata"]
    name = (meta.get("labels") or {}).get(SERVICE_LABEL)
    return [(meta["namespace"], name)] if name else []


def _node_ports(service: dict[str, Any]) -> list[tuple[int, str]]:
    """Return the node ports of a Service with the names of its ports."""
    spec = service["spec"]
    if spec.get("type") not in ("NodePort", "LoadBalancer"):
        return []
    return [
        (port["nodePort"], port.get("name", ""))
        for port in spec.get("ports") or ()
        if port.get("nodePort") and port.get("protocol", "TCP") == "TCP"
    ]

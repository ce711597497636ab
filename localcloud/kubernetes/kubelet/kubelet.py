"""A virtual kubelet: registers a node, sends its heartbeats, and runs its pods.

It is a pure client of the API, so that it works with any API server. Containers do not run; pods
take the time of the profile to start, and those of known images answer.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from localcloud.clock import Clock, stamp
from localcloud.fabric import Fabric
from localcloud.kubernetes.access.users import User
from localcloud.kubernetes.client.events import EventRecorder
from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.client.writes import MERGE, STRATEGIC
from localcloud.kubernetes.kubelet.hub import Hub, hub_of, leave_hub
from localcloud.kubernetes.kubelet.in_cluster import InClusterReader
from localcloud.kubernetes.kubelet.node_status import (
    LEASE_SECONDS,
    NodeConfig,
    new_node,
    node_labels,
    node_status,
)
from localcloud.kubernetes.kubelet.pod_addresses import PodAddresses
from localcloud.kubernetes.kubelet.pod_workers import Bridge, Host, PodWorkers
from localcloud.kubernetes.kubelet.server import PORT, KubeletServer
from localcloud.kubernetes.kubelet.static_pods import create_mirror_pods, replace_mirror_pods
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import LEASE, NODE
from localcloud.profiles import Profile

__all__ = ["Kubelet", "NodeConfig"]

LEASE_EVERY = 10.0  # seconds between heartbeats
STATUS_EVERY = 30  # every thirtieth has the whole status: five minutes
TRY_AGAIN = 1.0  # seconds after a call that failed

LEASES = "kube-node-lease"

log = logging.getLogger(__name__)


class Kubelet:
    """One node of a cluster."""

    def __init__(
        self,
        api: ApiClient,
        node: NodeConfig,
        fabric: Fabric,
        clock: Clock,
        profile: Profile,
        bridge: Bridge | None = None,
        client_of: Callable[[User], ApiClient] | None = None,
    ) -> None:
        """Take what belongs to a machine.

        Args:
            bridge: may be older than the node; without one, any fits.
            client_of: clients of the API with the identity of pods.
        """
        self._api = api
        self._node = node
        self._fabric = fabric
        self._clock = clock
        self._events = EventRecorder(api, clock, "kubelet", node.name)
        self._addresses = PodAddresses()
        self._hub: Hub | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ports: set[int] = set()
        self._uid = ""
        self._host = Host(
            api=api,
            clock=clock,
            profile=profile,
            node=node,
            events=self._events,
            addresses=self._addresses,
            read=InClusterReader(api, fabric, node.vpc, node.address),
            network_came_up=self._network_came_up,
            bridge=bridge,
            client_of=client_of,
        )
        self._workers = PodWorkers(self._host)
        self._door = KubeletServer(self.pods)

    @property
    def name(self) -> str:
        return self._node.name

    def pods(self) -> list[Obj]:
        """Return the pods of this kubelet, in their last known state."""
        return self._workers.pods()

    async def start(self) -> None:
        """Register the node and start to run its pods.

        Returns once the node is registered; where the API server does not answer yet, the
        registration is retried in the background.
        """
        if self._hub is not None:
            return
        self._hub = hub_of(self._api)
        self._workers.begin(self._hub.network)
        self._hub.join(self)
        self._fabric.listen(self._node.vpc, self._node.address, PORT, self._door.accept)
        self._spawn(self._events.run())
        with suppress(ApiFailure, OSError):
            await self._register()
        self._spawn(self._send_heartbeats())

    async def stop(self) -> None:
        """Stop without a message to the API, as at a power-off."""
        if self._hub is None:
            return
        self._hub = None
        await leave_hub(self._api, self)
        self._fabric.close(self._node.vpc, self._node.address, PORT)
        await self._door.close()
        for port in self._ports:
            self._fabric.close(self._node.vpc, self._node.address, port)
        self._ports.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._workers.end()

    # Notifications of the hub.

    def pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        """Handle a change of a pod of this node."""
        self._workers.pod_changed(before, after)

    def node_changed(self, after: Obj | None) -> None:
        """Handle a change of the node's own object: its pod network, or its deletion."""
        if after is None:
            log.info(
                "node %s was deleted while its kubelet runs, which registers at its start",
                self.name,
            )
            return
        self._uid = after["metadata"]["uid"]
        self._addresses.use((after.get("spec") or {}).get("podCIDR"))

    def ports_changed(self, ports: frozenset[int]) -> None:
        """Listen on exactly these NodePorts of the node's address."""
        vpc, address = self._node.vpc, self._node.address
        for port in self._ports - ports:
            self._fabric.close(vpc, address, port)
            self._ports.discard(port)
        for port in ports - self._ports:
            try:
                self._fabric.listen(vpc, address, port, partial(self._accept, port))
            except OSError as error:
                log.warning("node %s cannot open its port %d: %s", self.name, port, error)
            else:
                self._ports.add(port)

    def _accept(self, port: int, connection: socket.socket, peer: str) -> None:
        if self._hub is None:
            connection.close()
        else:
            self._hub.connect(port, connection)

    # The node itself.

    async def _send_heartbeats(self) -> None:
        """Register the node once, and then report it.

        As upstream, a kubelet whose node was deleted goes on, and does not create it again.
        """
        beat = 0
        while True:
            await self._clock.sleep(LEASE_EVERY if self._uid else TRY_AGAIN)
            beat += 1
            try:
                if not self._uid:
                    await self._register()
                await self._renew_lease()
                if beat % STATUS_EVERY == 0:
                    await self._post_status()
            except (ApiFailure, OSError) as failure:
                log.debug("node %s: %s", self.name, failure)
            except Exception:
                log.exception("the heartbeat of node %s failed", self.name)

    async def _register(self) -> None:
        try:
            created = await self._api.request("POST", NODE.path(), body=new_node(self._node))
        except ApiFailure as failure:
            if failure.reason != "AlreadyExists":
                raise
            change = {"metadata": {"labels": node_labels(self._node)}}
            path = NODE.path("", self.name)
            created = await self._api.request("PATCH", path, body=change, content_type=MERGE)
        self._uid = created["metadata"]["uid"]
        self._addresses.use((created.get("spec") or {}).get("podCIDR"))
        await self._post_status()
        await self._renew_lease()
        self._events.record(NODE, created, "Starting", "Starting kubelet.")
        await create_mirror_pods(self._api, self._node, self._uid, stamp(self._clock.now()))

    async def use_static_pods(self, manifests: tuple[dict[str, Any], ...]) -> None:
        """Show other static pods than before: those whose manifests changed are new pods.

        Raises:
            ApiFailure, OSError: the API server does not answer; nothing is remembered.
        """
        if manifests == self._node.static_pods or not self._uid:
            return
        node = replace(self._node, static_pods=manifests)
        now = stamp(self._clock.now())
        await replace_mirror_pods(self._api, self._node, node, self._uid, now)
        self._node = node

    async def _post_status(self) -> None:
        now = stamp(self._clock.now())
        found = await self._api.request("GET", NODE.path("", self.name))
        known = {one.get("type"): one for one in found.get("status", {}).get("conditions") or ()}
        status = node_status(self._node, self._host.has_network.is_set(), now)
        for condition in status["conditions"]:
            # Another client may have written a condition without this or that.
            before = known.get(condition["type"], {})
            same = before.get("status") == condition["status"]
            since = before.get("lastTransitionTime") if same else None
            condition["lastTransitionTime"] = since or now
        path = NODE.path("", self.name, "status")
        body = {"status": status}
        await self._api.request("PATCH", path, body=body, content_type=STRATEGIC)

    async def _renew_lease(self) -> None:
        renewed = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        path = LEASE.path(LEASES, self.name)
        change: dict[str, Any] = {"spec": {"renewTime": renewed}}
        try:
            await self._api.request("PATCH", path, body=change, content_type=MERGE)
        except ApiFailure as failure:
            if failure.status != 404:
                raise
            # Deleted with its owner, the node, or never created.
            await self._api.request("GET", NODE.path("", self.name))
            await self._create_lease(renewed)

    async def _create_lease(self, renewed: str) -> None:
        owner = {"apiVersion": "v1", "kind": "Node", "name": self.name, "uid": self._uid}
        body = {
            "apiVersion": LEASE.api_version,
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": LEASES, "ownerReferences": [owner]},
            "spec": {
                "holderIdentity": self.name,
                "leaseDurationSeconds": LEASE_SECONDS,
                "renewTime": renewed,
            },
        }
        await self._api.request("POST", LEASE.path(LEASES), body=body)

    def _network_came_up(self) -> None:
        self._spawn(self._report_ready())

    async def _report_ready(self) -> None:
        """Post the status of a node that has become ready at once."""
        while True:
            try:
                await self._post_status()
            except (ApiFailure, OSError) as failure:
                log.debug("node %s: %s", self.name, failure)
                await self._clock.sleep(TRY_AGAIN)
                continue
            found = {"metadata": {"name": self.name, "uid": self.name}}
            message = f"Node {self.name} status is now: NodeReady"
            self._events.record(NODE, found, "NodeReady", message)
            return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"kubelet {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

"""A control plane in this process: the API server with its store and its controllers."""

import asyncio
import logging
import random
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from localcloud.clock import Clock
from localcloud.kubernetes.access.rbac import Authorizer
from localcloud.kubernetes.access.tokens import Tokens
from localcloud.kubernetes.access.users import ANONYMOUS, MASTERS, User, account_of
from localcloud.kubernetes.api.aggregation import Aggregator
from localcloud.kubernetes.api.app import App
from localcloud.kubernetes.api.proxy import PodProxy
from localcloud.kubernetes.api.server import ApiServer
from localcloud.kubernetes.api.wire import Wire
from localcloud.kubernetes.bootstrap import create_system_objects, publish_addresses
from localcloud.kubernetes.client.in_process import Gate, InProcessClient
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.etcd import Etcd
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.registry import Registry
from localcloud.kubernetes.objects.store import Body, Store
from localcloud.kubernetes.persistence import Persistence
from localcloud.kubernetes.plane import PlaneConfig, hash_of_ca
from localcloud.kubernetes.pods import images
from localcloud.kubernetes.pods.http import OWN, Reply, Request
from localcloud.profiles import Profile

log = logging.getLogger(__name__)

Controllers = Callable[[ApiClient, Clock, Profile, PlaneConfig], Awaitable[None]]
"""Runs beside the API server until cancelled."""


class EmulatedPlane:
    """A control plane in this process, without etcd and without the Kubernetes programs.

    It serves while more than half of its etcd members run. They write the same objects.
    """

    takes_members = True

    def __init__(
        self,
        config: PlaneConfig,
        clock: Clock,
        profile: Profile,
        chance: random.Random,
        controllers: Controllers,
    ) -> None:
        self.config = config
        self.ca_hash = hash_of_ca(config.ca_certificate)
        self._clock = clock
        self._profile = profile
        self._run_controllers = controllers
        self._controllers: asyncio.Task[None] | None = None
        self._gate = Gate()
        self._elected_at = clock.now()
        store = Store()
        self._registry = Registry(store, clock, config.service_cidr, chance)
        self._persistence = Persistence(config.data, store)
        # Numbers of its own: members that come and go must not change what is scheduled where.
        numbers = random.Random(f"{config.name} {config.address}")  # noqa: S311 - repeatable
        self.etcd = Etcd(numbers, self._persistence.members, self._persistence.keep_members)
        self._following = asyncio.Lock()
        tokens = Tokens(store, clock, self._persistence.signing_key)
        proxy = PodProxy(store, self._serve, chance)
        self._tokens = tokens
        self.server = ApiServer(
            store, self._registry, Authorizer(store), tokens, proxy, Aggregator(store, proxy)
        )
        self._doors: list[EmulatedDoor] = []
        self._own_door = self._make_door(
            config.version, config.address, config.server_certificate, config.server_key
        )

    @property
    def is_running(self) -> bool:
        return self._gate.is_open

    async def start(self) -> None:
        """Start the first member, which begins a cluster that has none."""
        first = self.etcd.found(self.config.name, self.config.address)
        await self.start_member(first.id, self.config.data)

    async def stop(self) -> None:
        """Stop all members; the objects stay."""
        for member_id in self.etcd.running:
            self.etcd.stop(member_id)
        await self.follow_etcd()

    async def start_member(self, member_id: int, data: Path | None) -> None:
        """Let a member run, with this file; one that is behind catches up."""
        self.etcd.start(member_id, data)
        if not self._persistence.is_open:
            self._persistence.look(self.etcd.files)
            self.etcd.recall(self._persistence.members)
            self.server.authorizer.forget()
        await self.follow_etcd()

    async def stop_member(self, member_id: int, data: Path | None) -> None:
        """Stop a member; its file stays as it is now, and the member in the list."""
        self.etcd.stop(member_id)
        await self.follow_etcd()
        if data is not None:
            self._persistence.drop(data)

    async def follow_etcd(self) -> None:
        """Serve with a quorum, and only then; another leader takes a moment to be elected."""
        async with self._following:
            had_leader = bool(self.etcd.leader)
            is_changed = self.etcd.elect()
            if not self.etcd.has_quorum:
                await self._close()
                return
            if not self._gate.is_open:
                self._open()
            elif is_changed and had_leader:
                self._elected_at = self._clock.now() + timedelta(seconds=self._profile.elect_etcd)
                await self._restart_controllers(self._profile.elect_controllers)
            for file in self.etcd.files:
                self._persistence.add(file)

    def _open(self) -> None:
        self._persistence.open(self.etcd.files)
        create_system_objects(
            self._registry,
            address=self.config.address,
            service_cidr=self.config.service_cidr,
            ca_certificate=self.config.ca_certificate,
            tokens=self.config.bootstrap_tokens,
        )
        self._gate.open()
        self._publish_addresses()
        self._controllers = asyncio.ensure_future(self._control())

    async def _close(self) -> None:
        """End the controllers, every watch and every connection; the objects stay."""
        self._gate.close()
        await self._end_controllers()
        for door in tuple(self._doors):
            await door.end_connections()
        await self._persistence.close()

    async def _restart_controllers(self, pause: float) -> None:
        """Let others take over, once the Lease of the lost ones has ended."""
        await self._end_controllers()
        self._controllers = asyncio.ensure_future(self._control(pause))

    async def _end_controllers(self) -> None:
        if self._controllers:
            self._controllers.cancel()
            await asyncio.gather(self._controllers, return_exceptions=True)
            self._controllers = None

    def _check_leader(self) -> None:
        """Raise `ApiFailure` while no leader of etcd is elected."""
        if self._clock.now() < self._elected_at:
            raise ApiFailure(500, "InternalError", "etcdserver: leader changed")

    def accept(self, connection: socket.socket, peer: str) -> None:
        """Serve one TLS connection until it ends; refused while the plane is stopped."""
        self._own_door.accept(connection, peer)

    def open_door(
        self, version: str, address: str, certificate: bytes, key: bytes
    ) -> "EmulatedDoor":
        """Return one more API server over the same objects."""
        door = self._make_door(version, address, certificate, key)
        self._publish_addresses()
        return door

    def _make_door(
        self, version: str, address: str, certificate: bytes, key: bytes
    ) -> "EmulatedDoor":
        app = App(self.server, version, address, self._persistence.write_now, self._check_leader)
        wire = Wire(app, self.config.ca_certificate, certificate, key)
        door = EmulatedDoor(self._gate, wire, address, self._forget_door)
        self._doors.append(door)
        return door

    def _forget_door(self, door: "EmulatedDoor") -> None:
        if door in self._doors:
            self._doors.remove(door)
            self._publish_addresses()

    def _publish_addresses(self) -> None:
        """Let the cluster's own Service lead to the API servers that there are."""
        addresses = sorted({one.address for one in self._doors if one is not self._own_door})
        if addresses and self._gate.is_open:
            publish_addresses(self._registry, addresses)

    def client(self, user: User) -> ApiClient:
        """Return an in-process client with an identity."""
        return InProcessClient(self.server, self._gate, user)

    def settle(self) -> None:
        """Write every change into the files of the members."""
        self._persistence.write_now()

    async def _control(self, pause: float = 0.0) -> None:
        client = self.client(MASTERS)
        try:
            if pause:
                await self._clock.sleep(pause)
            await self._run_controllers(client, self._clock, self._profile, self.config)
        except Exception:
            log.exception("the controllers of cluster %s have ended", self.config.name)
            raise

    async def _serve(self, pod: Body, port: int, request: Request) -> Reply:
        return await images.serve(pod, port, request, partial(self._read, pod))

    async def _read(self, pod: Body, path: str, token: str) -> tuple[int, Any]:
        """Read the API for a program in a pod, with its user's token, or as the pod itself."""
        user = self._tokens.find_user(token) if token else ANONYMOUS
        if token == OWN:
            user = account_of(pod)
        if user is None:
            return 401, ApiFailure(401, "Unauthorized", "Unauthorized").body()
        try:
            return 200, await InProcessClient(self.server, self._gate, user).request("GET", path)
        except ApiFailure as failure:
            return failure.status, failure.body()


class EmulatedDoor:
    """One API server of an emulated plane, until it closes."""

    def __init__(
        self, gate: Gate, wire: Wire, address: str, forget: "Callable[[EmulatedDoor], None]"
    ) -> None:
        self.address = address
        self._gate = gate
        self._wire = wire
        self._forget = forget

    def accept(self, connection: socket.socket, peer: str) -> None:
        """Serve one TLS connection until it ends; refused while the plane is stopped."""
        if not self._gate.is_open:
            connection.close()
            return
        self._wire.accept(connection, peer)

    async def end_connections(self) -> None:
        await self._wire.close()

    async def close(self) -> None:
        """End all connections, for good."""
        self._forget(self)
        await self._wire.close()

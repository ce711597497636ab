"""A control plane in this process: the API server with its store and its controllers."""

import asyncio
import logging
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from localcloud.clock import Clock
from localcloud.kubernetes.access.rbac import Authorizer
from localcloud.kubernetes.access.tokens import Tokens
from localcloud.kubernetes.access.users import ANONYMOUS, MASTERS, User
from localcloud.kubernetes.api.app import App
from localcloud.kubernetes.api.proxy import PodProxy
from localcloud.kubernetes.api.server import ApiServer
from localcloud.kubernetes.api.wire import Wire
from localcloud.kubernetes.bootstrap import create_system_objects
from localcloud.kubernetes.client.in_process import Gate, InProcessClient
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.registry import Registry
from localcloud.kubernetes.objects.store import Body, Store
from localcloud.kubernetes.persistence import Persistence
from localcloud.kubernetes.plane import PlaneConfig, hash_of_ca
from localcloud.kubernetes.pods import images
from localcloud.kubernetes.pods.http import Reply, Request
from localcloud.profiles import Profile

log = logging.getLogger(__name__)

Controllers = Callable[[ApiClient, Clock, Profile, PlaneConfig], Awaitable[None]]
"""Runs beside the API server until cancelled."""


class EmulatedPlane:
    """A control plane in this process, without etcd and without the Kubernetes programs."""

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
        store = Store()
        self._registry = Registry(store, clock, config.service_cidr, chance)
        self._persistence = Persistence(config.data, store)
        tokens = Tokens(store, clock, self._persistence.signing_key)
        proxy = PodProxy(store, self._serve, chance)
        self._tokens = tokens
        self.server = ApiServer(store, self._registry, Authorizer(store), tokens, proxy)
        self._doors: list[EmulatedDoor] = []
        self._own_door = self.open_door(
            config.version, config.address, config.server_certificate, config.server_key
        )

    @property
    def is_running(self) -> bool:
        return self._gate.is_open

    async def start(self) -> None:
        """Start serving; the first start creates system objects, a second one has no effect."""
        if self._gate.is_open:
            return
        self._persistence.open()
        create_system_objects(
            self._registry,
            address=self.config.address,
            service_cidr=self.config.service_cidr,
            ca_certificate=self.config.ca_certificate,
            tokens=self.config.bootstrap_tokens,
        )
        self._gate.open()
        self._controllers = asyncio.ensure_future(self._control())

    async def stop(self) -> None:
        """End the controllers, every watch and every connection; the objects stay."""
        self._gate.close()
        if self._controllers:
            self._controllers.cancel()
            await asyncio.gather(self._controllers, return_exceptions=True)
            self._controllers = None
        for door in tuple(self._doors):
            await door.end_connections()
        await self._persistence.close()

    def accept(self, connection: socket.socket, peer: str) -> None:
        """Serve one TLS connection until it ends; refused while the plane is stopped."""
        self._own_door.accept(connection, peer)

    def open_door(
        self, version: str, address: str, certificate: bytes, key: bytes
    ) -> "EmulatedDoor":
        """Return one more API server over the same objects."""
        app = App(self.server, version, address, self._persistence.write_now)
        wire = Wire(app, self.config.ca_certificate, certificate, key)
        door = EmulatedDoor(self._gate, wire, self._doors)
        self._doors.append(door)
        return door

    def client(self, user: User) -> ApiClient:
        """Return an in-process client with an identity."""
        return InProcessClient(self.server, self._gate, user)

    async def _control(self) -> None:
        client = self.client(MASTERS)
        try:
            await self._run_controllers(client, self._clock, self._profile, self.config)
        except Exception:
            log.exception("the controllers of cluster %s have ended", self.config.name)
            raise

    async def _serve(self, pod: Body, port: int, request: Request) -> Reply:
        return await images.serve(pod, port, request, self._read)

    async def _read(self, path: str, token: str) -> tuple[int, Any]:
        """Read the API for a program in a pod, with its user's token."""
        user = self._tokens.find_user(token) if token else ANONYMOUS
        if user is None:
            return 401, ApiFailure(401, "Unauthorized", "Unauthorized").body()
        try:
            return 200, await InProcessClient(self.server, self._gate, user).request("GET", path)
        except ApiFailure as failure:
            return failure.status, failure.body()


class EmulatedDoor:
    """One API server of an emulated plane. It is in `doors` until it closes."""

    def __init__(self, gate: Gate, wire: Wire, doors: "list[EmulatedDoor]") -> None:
        self._gate = gate
        self._wire = wire
        self._doors = doors

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
        if self in self._doors:
            self._doors.remove(self)
        await self._wire.close()

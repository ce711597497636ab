"""The control planes of the local cloud: one for each cluster, found by the hash of its CA."""

import asyncio
import logging
import random
import shutil
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from localcloud.clock import Clock
from localcloud.database import erase
from localcloud.kubernetes import images
from localcloud.kubernetes.apiserver import ApiServer
from localcloud.kubernetes.app import App
from localcloud.kubernetes.bootstrap import furnish
from localcloud.kubernetes.calls import ANONYMOUS, MASTERS, User
from localcloud.kubernetes.client import ApiClient, ApiFailure, Gate, InProcessClient
from localcloud.kubernetes.http_messages import Reply, Request
from localcloud.kubernetes.join_tokens import BootstrapToken
from localcloud.kubernetes.keeping import Keeper
from localcloud.kubernetes.plane_config import Plane, PlaneConfig, hash_of_ca
from localcloud.kubernetes.proxy import PodProxy
from localcloud.kubernetes.rbac import Authorizer
from localcloud.kubernetes.real.assets import Assets
from localcloud.kubernetes.real.plane import RealPlane
from localcloud.kubernetes.registry import Registry
from localcloud.kubernetes.store import Body, Store
from localcloud.kubernetes.tokens import Tokens
from localcloud.kubernetes.wire import Wire
from localcloud.profiles import Profile

__all__ = [
    "BootstrapToken", "EmulatedPlane", "Plane", "PlaneConfig", "Planes", "erase_objects",
    "hash_of_ca",
]  # fmt: skip

log = logging.getLogger(__name__)


Controllers = Callable[[ApiClient, Clock, Profile, PlaneConfig], Awaitable[None]]


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
        self._keeper = Keeper(config.data, store)
        tokens = Tokens(store, clock, self._keeper.signing_key)
        proxy = PodProxy(store, self._serve, chance)
        self._tokens = tokens
        self.server = ApiServer(store, self._registry, Authorizer(store), tokens, proxy)
        self._wire = Wire(
            App(self.server, config.version, config.address),
            config.ca_certificate,
            config.server_certificate,
            config.server_key,
        )

    @property
    def is_running(self) -> bool:
        return self._gate.is_open

    async def start(self) -> None:
        """Begin to serve; the first time, furnish the cluster. A second start does nothing."""
        if self._gate.is_open:
            return
        self._keeper.open()
        furnish(
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
        await self._wire.close()
        await self._keeper.close()

    def accept(self, connection: socket.socket, peer: str) -> None:
        """Serve one TLS connection until it ends; refused while the plane is stopped."""
        if not self._gate.is_open:
            connection.close()
            return
        self._wire.accept(connection, peer)

    def client(self, user: User) -> ApiClient:
        """An in-process client with that identity."""
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
        """Read the API for a program in a pod, with the token its visitor typed."""
        user = self._tokens.find_user(token) if token else ANONYMOUS
        if user is None:
            return 401, ApiFailure(401, "Unauthorized", "Unauthorized").body()
        try:
            return 200, await InProcessClient(self.server, self._gate, user).request("GET", path)
        except ApiFailure as failure:
            return failure.status, failure.body()


class Planes:
    """Every control plane of this local cloud.

    Args:
        chance: for uids, name suffixes and addresses; a seeded one makes them repeatable.
        controllers: what runs beside each API server; a test may run less.
        assets: the programs that run the planes to come; without them those are emulated.
    """

    def __init__(
        self,
        clock: Clock,
        profile: Profile,
        chance: random.Random | None = None,
        controllers: Controllers | None = None,
        assets: Assets | None = None,
    ) -> None:
        self._assets = assets
        self._clock = clock
        self._profile = profile
        self._random = chance or random.SystemRandom()
        self._controllers = controllers or _controllers
        self._planes: dict[str, Plane] = {}

    def create(self, config: PlaneConfig) -> Plane:
        """Make a plane, not started; one with the same CA is replaced."""
        plane: Plane
        if self._assets is None:
            plane = EmulatedPlane(
                config, self._clock, self._profile, self._random, self._controllers
            )
        else:
            assert config.data is not None, "a real control plane keeps its objects in files"
            plane = RealPlane(config, self._clock, self._assets, _folder_of(config.data))
        self._planes[plane.ca_hash] = plane
        return plane

    def forget(self, plane: Plane) -> None:
        """Let go of a stopped plane whose cluster is gone, and with it of all its objects."""
        if self._planes.get(plane.ca_hash) is plane:
            del self._planes[plane.ca_hash]

    def find_by_ca_hash(self, ca_hash: str) -> Plane | None:
        """Find the plane that a joining node means by `sha256:…`."""
        return self._planes.get(ca_hash)


def erase_objects(data: Path) -> None:
    """Remove what a stopped plane kept at `PlaneConfig.data`, whichever engine ran it."""
    erase(data)
    shutil.rmtree(_folder_of(data), ignore_errors=True)


def _folder_of(data: Path) -> Path:
    """Where a real plane keeps its keys and etcd's data: beside an emulated one's file."""
    return data.with_name("control-plane")


async def _controllers(api: ApiClient, clock: Clock, profile: Profile, config: PlaneConfig) -> None:
    # Controllers know `PlaneConfig`; importing them above would close a circle.
    from localcloud.kubernetes.controllers import run_controllers

    await run_controllers(api, clock, profile, config)

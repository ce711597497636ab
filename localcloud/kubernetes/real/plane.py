"""A control plane of the real programs, with the interface of the emulated one."""

import asyncio
import ipaddress
import logging
import random
import shutil
import socket
import tempfile
from pathlib import Path

from localcloud.clock import Clock
from localcloud.connections import hang_up, splice
from localcloud.kubernetes.access.join_tokens import BootstrapToken
from localcloud.kubernetes.access.tls import client_tls
from localcloud.kubernetes.access.users import MASTERS, User
from localcloud.kubernetes.bootstrap import kubeadm_objects
from localcloud.kubernetes.client.https import Address, HttpsClient
from localcloud.kubernetes.etcd import Etcd
from localcloud.kubernetes.kubelet.hub import find_hub
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.plane import PlaneConfig, hash_of_ca
from localcloud.kubernetes.real import commands
from localcloud.kubernetes.real.assets import Assets
from localcloud.kubernetes.real.commands import LOOPBACK, Layout
from localcloud.kubernetes.real.egress import EgressServer
from localcloud.kubernetes.real.identity import issue, make_signing_key, write_private
from localcloud.kubernetes.real.processes import Program

START_PATIENCE = 90.0  # seconds until the API server must be ready
LOOK_AGAIN = 0.2  # seconds between checks

_SYSTEM_USERS = {
    "controller-manager.conf": "system:kube-controller-manager",
    "scheduler.conf": "system:kube-scheduler",
}

log = logging.getLogger(__name__)


class PlaneFailed(Exception):
    """The programs were started, but the API server did not become ready."""


class RealPlane:
    """etcd, an API server, a controller manager and a scheduler. Its objects outlive `stop`.

    Args:
        folder: of this plane alone; holds keys and etcd's data.
        patience: seconds until the API server must be ready.
    """

    takes_members = False

    def __init__(
        self,
        config: PlaneConfig,
        clock: Clock,
        assets: Assets,
        folder: Path,
        patience: float = START_PATIENCE,
    ) -> None:
        self.config = config
        self.ca_hash = hash_of_ca(config.ca_certificate)
        self.etcd = Etcd(random.SystemRandom())
        self._clock = clock
        self._assets = assets
        self._folder = folder
        self._patience = patience
        self._layout: Layout | None = None
        self._programs: list[Program] = []
        self._clients: dict[User, HttpsClient] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._egress: EgressServer | None = None
        self._starting = asyncio.Lock()

    @property
    def is_running(self) -> bool:
        return bool(self._programs)

    async def start(self) -> None:
        """Start the programs in order; return once the API server is ready.

        Raises:
            PlaneFailed: it did not become ready in time; all programs are stopped.
        """
        first = self.etcd.found(self.config.name, self.config.address)
        self.etcd.start(first.id, self.config.data)
        async with self._starting:
            if self._programs:
                return
            layout = self._layout = self._lay_out()
            try:
                await self._start_programs(layout)
            except BaseException:
                await self.stop()
                raise

    async def _start_programs(self, layout: Layout) -> None:
        self._write_files(layout)
        self._egress = EgressServer(layout.egress_socket, self._dial)
        await self._egress.start()
        await self._run("etcd", commands.etcd_command(self._assets, layout))
        await self._run("kube-apiserver", commands.apiserver_command(self._assets, layout))
        await self._wait_until_ready()
        await self._furnish()
        manager = commands.controller_manager_command(self._assets, layout)
        await self._run("kube-controller-manager", manager)
        await self._run("kube-scheduler", commands.scheduler_command(self._assets, layout))

    async def stop(self) -> None:
        """End the programs, the last started first; the objects stay in etcd's folder."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        for client in self._clients.values():
            await client.close()
        while self._programs:
            await self._programs.pop().stop()
        if self._egress is not None:
            await self._egress.stop()
            self._egress = None
        if self._layout is not None:
            shutil.rmtree(self._layout.egress_socket.parent, ignore_errors=True)

    async def start_member(self, member_id: int, data: Path | None) -> None:
        """Start the programs: this plane has one member."""
        await self.start()

    async def stop_member(self, member_id: int, data: Path | None) -> None:
        await self.stop()

    async def follow_etcd(self) -> None:
        """There is one member, which cannot be removed."""

    def accept(self, connection: socket.socket, peer: str) -> None:
        """Forward one TLS connection to the API server; refused while the plane is stopped."""
        if self._layout is None or not self._programs:
            connection.close()
            return
        work = self._pass_on(connection, self._layout.api_port)
        task = asyncio.ensure_future(work)
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    def open_door(self, version: str, address: str, certificate: bytes, key: bytes) -> "RealDoor":
        """Return the one API server, which has the version of its program.

        It shows the certificate of its last start.
        """
        return RealDoor(self)

    def settle(self) -> None:
        """Nothing waits: etcd writes each change before it is answered."""

    def client(self, user: User) -> HttpsClient:
        """Return a client with an identity, the same one for the same user."""
        if user not in self._clients:
            pair = issue(self.config, user, self._clock.now())
            tls = client_tls(self.config.ca_certificate, pair)
            self._clients[user] = HttpsClient(self._address, tls)
        return self._clients[user]

    # Connections

    def _address(self) -> Address:
        if self._layout is None:
            raise ConnectionRefusedError("it was never started")
        return Address(LOOPBACK, self._layout.api_port, self.config.address)

    async def _pass_on(self, connection: socket.socket, port: int) -> None:
        near = await asyncio.open_connection(sock=connection)
        try:
            far = await asyncio.open_connection(LOOPBACK, port)
        except OSError as error:
            log.debug("the API server of %s: %s", self.config.name, error)
            await hang_up(near[1])
            return
        await splice(near, far)

    def _dial(self, address: str, port: int) -> socket.socket:
        """Connect the API server with a pod, or with a machine of the private network."""
        try:
            is_pod = ipaddress.ip_address(address) in ipaddress.ip_network(self.config.pod_cidr)
        except ValueError as error:
            raise ConnectionRefusedError(f"{address}: no names are known here") from error
        if not is_pod:
            return self.config.dial(address, port)
        for client in self._clients.values():
            hub = find_hub(client)
            if hub is not None:
                ours, theirs = socket.socketpair()
                ours.setblocking(False)
                theirs.setblocking(False)
                hub.network.accept(address, port, theirs)
                return ours
        raise ConnectionRefusedError(f"{address}:{port}: no kubelet runs")

    # The start

    def _lay_out(self) -> Layout:
        etcd, peer, api = _free_ports(3)
        return Layout(
            folder=self._folder,
            egress_socket=Path(tempfile.mkdtemp(prefix="egress-")) / "socket",
            etcd_port=etcd,
            peer_port=peer,
            api_port=api,
            address=self.config.address,
            pod_cidr=self.config.pod_cidr,
            service_cidr=self.config.service_cidr,
            node_cidr_mask=self.config.node_cidr_mask,
        )

    def _write_files(self, layout: Layout) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = self.config
        files: dict[str, bytes] = {
            "ca.crt": config.ca_certificate,
            "ca.key": config.ca_key,
            "apiserver.crt": config.server_certificate,
            "apiserver.key": config.server_key,
            "egress.yaml": commands.egress_config(layout).encode(),
        }
        if not (self._folder / "service-accounts.key").exists():
            files["service-accounts.key"] = make_signing_key()
        for name, user in _SYSTEM_USERS.items():
            pair = issue(config, User(user), self._clock.now())
            text = commands.kubeconfig(layout, config.ca_certificate, pair.certificate, pair.key)
            files[name] = text.encode()
        for name, content in files.items():
            write_private(self._folder / name, content)

    async def _run(self, name: str, command: list[str]) -> None:
        program = Program(name, command, self._folder / f"{name}.log")
        self._programs.append(program)
        await program.start()

    async def _wait_until_ready(self) -> None:
        api, last = self.client(MASTERS), "no answer"
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    try:
                        if await api.request("GET", "/readyz") == "ok":
                            return
                    except ApiFailure as failure:
                        last = failure.message
                    await asyncio.sleep(LOOK_AGAIN)
        except TimeoutError as error:
            raise PlaneFailed(
                f"the API server of {self.config.name} was not ready after {self._patience:g} s: "
                f"{last}; its log is {self._folder / 'kube-apiserver.log'}"
            ) from error

    async def _furnish(self) -> None:
        """Create kubeadm's objects in a cluster; existing ones stay."""
        api = self.client(MASTERS)
        for kind, body in kubeadm_objects(
            self.config.address, self.config.ca_certificate, await self._first_tokens()
        ):
            path = kind.path(body["metadata"].get("namespace", ""))
            head = {"apiVersion": kind.api_version, "kind": kind.kind}
            try:
                await api.request("POST", path, body={**head, **body})
            except ApiFailure as failure:
                if failure.reason != "AlreadyExists":
                    raise

    async def _first_tokens(self) -> tuple[BootstrapToken, ...]:
        """Return the join tokens at the first start only, so that deleted ones stay deleted."""
        path = kinds.CONFIG_MAP.path("kube-public", "cluster-info")
        try:
            await self.client(MASTERS).request("GET", path)
        except ApiFailure as failure:
            if failure.status != 404:
                raise
            return self.config.bootstrap_tokens
        return ()


class RealDoor:
    """The way to the API server of a real plane."""

    def __init__(self, plane: RealPlane) -> None:
        self.accept = plane.accept

    async def close(self) -> None:
        """Accept no more; the connections end with the plane."""


def _free_ports(count: int) -> list[int]:
    """Return loopback ports that are free at this moment."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports

"""A cloud served over loopback, with stand-in machines, and the vendor's own client for it."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from localcloud.clock import Clock, WallClock
from localcloud.database import Database
from localcloud.fabric import Fabric
from localcloud.iaas.catalog import QUOTAS
from localcloud.iaas.faults.kinds import read_fault
from localcloud.iaas.http import iaas_app
from localcloud.iaas.persistence import Persistence
from localcloud.iaas.service import Iaas
from localcloud.iaas.signature import Account
from localcloud.parts import Component, MachineSpec
from localcloud.profiles import PROFILES, Profile
from localcloud.serving import bind_loopback, make_server
from tests.localcloud.vendor_client import Connections, connect

T = TypeVar("T")
KEY_ID, SECRET = "TESTKEY", "a secret"
PATIENCE = 60.0
IMAGE = "noble1x64a"


class HeldClock(WallClock):
    """A wall clock, set back, whose long sleeps end when the test advances it."""

    LONG = 600.0

    def __init__(self, behind: timedelta = timedelta(0)) -> None:
        self.behind = behind
        self.sleepers = 0
        self.is_over = False

    def now(self) -> datetime:
        return super().now() - self.behind

    async def sleep(self, seconds: float, /) -> None:
        if seconds < self.LONG:
            await super().sleep(seconds)
            return
        self.sleepers += 1
        while not self.is_over:  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.005)


class StandInMachines:
    """Machines that answer every connection with their own id, then close it."""

    PORTS = (22, 6443)

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.specs: dict[str, MachineSpec] = {}
        self.running: set[str] = set()
        self.peers: list[str] = []
        self.failed: set[tuple[str, Component]] = set()
        self.captured: dict[str, str] = {}  # image -> machine

    async def boot(self, spec: MachineSpec) -> None:
        self.specs[spec.instance_id] = spec
        self.running.add(spec.instance_id)

        def accept(connection: socket.socket, peer: str) -> None:
            self.peers.append(peer)
            connection.send(spec.instance_id.encode())
            connection.close()

        for port in self.PORTS:
            self._fabric.listen(spec.vpc, spec.address, port, accept)

    def is_running(self, instance_id: str) -> bool:
        return instance_id in self.running

    async def halt(self, instance_id: str) -> None:
        if instance_id in self.running:
            spec = self.specs[instance_id]
            self._fabric.close(spec.vpc, spec.address)
            self.running.discard(instance_id)

    async def capture(self, instance_id: str, image_id: str) -> None:
        assert instance_id not in self.running
        self.captured[image_id] = instance_id

    async def destroy(self, disk_id: str) -> None:
        await self.halt(disk_id)
        self.specs.pop(disk_id, None)
        self.captured.pop(disk_id, None)

    async def fail(self, instance_id: str, component: Component) -> None:
        self.failed.add((instance_id, component))

    async def recover(self, instance_id: str, component: Component) -> None:
        self.failed.discard((instance_id, component))


class CloudUnderTest:
    """The vendor's client with checked answers, and access to the emulator's objects."""

    def __init__(
        self,
        iaas: Iaas,
        machines: StandInMachines,
        fabric: Fabric,
        port: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.iaas, self.machines, self.fabric, self.port = iaas, machines, fabric, port
        self._loop = loop
        self.connections = Connections()
        self.sdk = self.connect(SECRET)

    def connect(self, secret: str, zone: str | None = None) -> Any:
        url = f"http://127.0.0.1:{self.port}"
        return connect(url, KEY_ID, secret, zone or self.iaas.zone, self.connections)

    def call(self, action: str, **body: Any) -> dict[str, Any]:
        """Send any action, and return its answer, also a refusal."""
        answer = self.sdk.send_request(action, body)
        assert isinstance(answer, dict)
        return answer

    def ok(self, action: str, **body: Any) -> dict[str, Any]:
        answer = self.call(action, **body)
        assert answer["ret_code"] == 0, answer
        return answer

    def one(self, noun: str, resource_id: str) -> dict[str, Any]:
        """Read one resource by its id."""
        action = f"Describe{DESCRIBES[noun]}"
        (found,) = self.ok(action, **{f"{noun}s": [resource_id], "verbose": 1})[f"{noun}_set"]
        assert isinstance(found, dict)
        return found

    def job(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Wait until the job of an answer has ended, and return its last reading."""

        def ended() -> dict[str, Any] | None:
            (job,) = self.ok("DescribeJobs", jobs=[answer["job_id"]])["job_set"]
            return job if job["status"] not in ("pending", "working") else None

        return eventually(ended)

    def done(self, action: str, **body: Any) -> dict[str, Any]:
        """Send an asynchronous action, and wait until its job has succeeded."""
        answer = self.ok(action, **body)
        job = self.job(answer)
        assert job["status"] == "successful", job
        return answer

    def fault(self, kind: str, **fields: Any) -> str:
        """Inject a fault, and return its id."""
        return self.await_on_loop(self.iaas.inject(read_fault({"kind": kind, **fields})))

    def await_on_loop(self, work: Awaitable[T]) -> T:
        async def run() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE)


DESCRIBES = {
    "router": "Routers",
    "eip": "Eips",
    "vxnet": "Vxnets",
    "security_group": "SecurityGroups",
    "loadbalancer": "LoadBalancers",
    "instance": "Instances",
    "keypair": "KeyPairs",
    "tag": "Tags",
    "volume": "Volumes",
    "snapshot": "Snapshots",
    "image": "Images",
    "nic": "Nics",
}


def eventually(look: Callable[[], T | None]) -> T:
    """Call `look` until its result is true, and return the result."""
    deadline = time.monotonic() + PATIENCE
    while True:
        if seen := look():
            return seen
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.005)


def read_port(address: str, port: int, source: str = "127.0.0.1") -> bytes:
    """Connect to a public address, and read until the other side closes."""
    with socket.create_connection(
        (address, port), timeout=PATIENCE, source_address=(source, 0)
    ) as connection:
        received = b""
        with suppress(ConnectionResetError):
            while data := connection.recv(1024):
                received += data
        return received


@contextmanager
def serve_cloud(
    profile: Profile = PROFILES["instant"],
    quotas: dict[str, int] | None = None,
    clock: Clock | None = None,
    file: Path | None = None,
) -> Iterator[CloudUnderTest]:
    """Run a cloud in a thread with an event loop of its own.

    Args:
        file: keeps the cloud's state, and may hold that of an earlier one.
    """
    listener = bind_loopback()
    fabric = Fabric()
    machines = StandInMachines(fabric)
    ready = threading.Event()
    parts: dict[str, Any] = {}

    async def run() -> None:
        iaas = Iaas(
            clock or WallClock(),
            profile,
            fabric,
            machines,
            Random(7),
            account=Account(KEY_ID, SECRET),
            quotas=dict(QUOTAS) | (quotas or {}),
            persistence=Persistence(Database(file)) if file else None,
            name=str(file or ""),
        )
        await iaas.resume()
        server = make_server(iaas_app(iaas))
        parts.update(iaas=iaas, server=server, loop=asyncio.get_running_loop())
        ready.set()
        await server.serve(sockets=[listener])
        await iaas.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    port = listener.getsockname()[1]
    cloud = CloudUnderTest(parts["iaas"], machines, fabric, port, parts["loop"])
    try:
        yield cloud
    finally:
        cloud.connections.close()
        parts["server"].should_exit = True
        thread.join(PATIENCE)
        listener.close()

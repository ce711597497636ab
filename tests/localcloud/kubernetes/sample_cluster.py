"""A whole emulated cluster in this process: a plane with its controllers, and virtual kubelets."""

import asyncio
import datetime as dt
import ipaddress
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from localcloud.clock import Clock, WallClock
from localcloud.fabric import Fabric
from localcloud.kubernetes.client import MASTERS, ApiFailure
from localcloud.kubernetes.kubelet import Kubelet, NodeConfig
from localcloud.kubernetes.planes import Plane, PlaneConfig, Planes
from localcloud.profiles import PROFILES

VPC = "rtr-test"
MASTER = "192.168.100.2"
CONTROL_PLANE_TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}

Obj = dict[str, Any]


class MovableClock:
    """A clock that advances only when moved."""

    def __init__(self) -> None:
        self._now = dt.datetime(2026, 11, 23, 3, 0, tzinfo=dt.UTC)
        self._sleepers: list[tuple[dt.datetime, asyncio.Event]] = []

    def now(self) -> dt.datetime:
        return self._now

    async def sleep(self, seconds: float, /) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        elapsed = asyncio.Event()
        self._sleepers.append((self._now + dt.timedelta(seconds=seconds), elapsed))
        await elapsed.wait()

    async def advance(self, seconds: float) -> None:
        """Advance in small steps, and let other tasks run in between."""
        end = self._now + dt.timedelta(seconds=seconds)
        while self._now < end:
            self._now = min(self._now + dt.timedelta(seconds=1), end)
            for moment, elapsed in self._sleepers:
                if moment <= self._now:
                    elapsed.set()
            self._sleepers = [one for one in self._sleepers if not one[1].is_set()]
            await settle()


async def settle(turns: int = 50) -> None:
    """Give every other task some turns."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(
    holds: Callable[[], Awaitable[bool]], seconds: float = 60.0, what: str = "the condition"
) -> None:
    """Wait until a condition holds, checked first at once."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what is waited for shows only in the API
            await asyncio.sleep(0.01)


async def advance_until(clock: MovableClock, holds: Callable[[], Awaitable[bool]]) -> None:
    """Move the clock, a second at a time, until something holds, for at most ten minutes."""
    for _ in range(600):
        if await holds():
            return
        await clock.advance(1)
    raise AssertionError("it never came to be")


class SampleCluster:
    """A running plane and its nodes."""

    def __init__(self, plane: Plane, fabric: Fabric, clock: Clock) -> None:
        self.plane = plane
        self.fabric = fabric
        self.clock = clock
        self.api = plane.client(MASTERS)
        self.kubelets: dict[str, Kubelet] = {}

    async def add_node(
        self,
        name: str,
        *,
        pods: int = 40,
        vcpus: int = 4,
        memory_mib: int = 8192,
        labels: dict[str, str] | None = None,
        taints: tuple[Obj, ...] = (),
        static_pods: tuple[Obj, ...] = (),
        disk: Path | None = None,
    ) -> Kubelet:
        """Start a kubelet on a machine of its own."""
        number = len(self.kubelets)
        config = NodeConfig(
            name=name,
            vpc=VPC,
            address=f"192.168.{100 + number // 200}.{10 + number % 200}",
            version="v1.36.4",
            max_pods=pods,
            vcpus=vcpus,
            memory_mib=memory_mib,
            os_image="Ubuntu 24.04 LTS",
            labels=labels or {},
            taints=taints,
            static_pods=static_pods,
            disk=disk,
        )
        kubelet = Kubelet(
            self.api,
            config,
            self.fabric,
            self.clock,
            PROFILES["instant"],
            client_of=self.plane.client,
        )
        self.kubelets[name] = kubelet
        await kubelet.start()
        return kubelet

    async def install_network(self) -> None:
        """Install what makes nodes ready."""
        await self.create(
            "/apis/apps/v1/namespaces/kube-system/daemonsets", daemon_set("flannel", "flannel")
        )

    async def create(self, path: str, body: Obj) -> Obj:
        created: Obj = await self.api.request("POST", path, body=body)
        return created

    async def items(self, path: str, **query: str) -> list[Obj]:
        listed = await self.api.request("GET", path, query=query)
        return list(listed["items"])

    async def pods(self, namespace: str = "default", **query: str) -> list[Obj]:
        return await self.items(f"/api/v1/namespaces/{namespace}/pods", **query)

    async def phases(self, namespace: str = "default") -> dict[str, int]:
        """Count pods by phase."""
        counts: dict[str, int] = {}
        for pod in await self.pods(namespace):
            counts[pod["status"]["phase"]] = counts.get(pod["status"]["phase"], 0) + 1
        return counts

    async def ready_nodes(self) -> list[str]:
        found = await self.items("/api/v1/nodes")
        return [
            node["metadata"]["name"]
            for node in found
            if not node["spec"].get("taints")
            or all(taint == CONTROL_PLANE_TAINT for taint in node["spec"]["taints"])
            if is_true(node, "Ready")
        ]

    async def nodes_are_ready(self, count: int) -> None:
        async def holds() -> bool:
            return len(await self.ready_nodes()) == count

        await until(holds)

    async def phases_are(self, **wanted: int) -> None:
        async def holds() -> bool:
            return await self.phases() == wanted

        await until(holds)

    async def is_gone(self, path: str) -> bool:
        try:
            await self.api.request("GET", path)
        except ApiFailure as failure:
            return failure.status == 404
        return False

    async def get(self, path: str) -> Obj:
        found: Obj = await self.api.request("GET", path)
        return found

    async def merge(self, path: str, change: Obj) -> Obj:
        changed: Obj = await self.api.request(
            "PATCH", path, body=change, content_type="application/merge-patch+json"
        )
        return changed

    async def reasons(self, name: str) -> list[tuple[str, str]]:
        """Return (reason, message) of the events about an object, by its name."""
        found = await self.items("/api/v1/events", fieldSelector=f"involvedObject.name={name}")
        return [(event["reason"], event["message"]) for event in found]


def plane_config(fabric: Fabric, data: Path | None = None) -> PlaneConfig:
    """A control plane at the master's place in a private network."""
    ca, key, server, server_key = certificates()
    return PlaneConfig(
        name="test",
        version="v1.36.4",
        vpc=VPC,
        address=MASTER,
        ca_certificate=ca,
        ca_key=key,
        server_certificate=server,
        server_key=server_key,
        pod_cidr="10.244.0.0/16",
        service_cidr="10.96.0.0/16",
        bootstrap_tokens=(),
        dial=lambda address, port: fabric.dial(VPC, MASTER, address, port),
        data=data,
    )


@asynccontextmanager
async def running_cluster(
    clock: Clock | None = None, chance: random.Random | None = None
) -> AsyncIterator[SampleCluster]:
    """Run a cluster without nodes, and end it with all its nodes."""
    clock = clock or WallClock()
    fabric = Fabric()
    plane = Planes(clock, PROFILES["instant"], chance).create(plane_config(fabric))
    await plane.start()
    fabric.listen(VPC, MASTER, 6443, plane.accept)
    cluster = SampleCluster(plane, fabric, clock)
    try:
        yield cluster
    finally:
        for kubelet in cluster.kubelets.values():
            await kubelet.stop()
        await plane.stop()


def run(story: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine in an event loop of its own."""
    asyncio.run(story)


def is_true(obj: Obj, condition: str) -> bool:
    return any(
        one["type"] == condition and one["status"] == "True"
        for one in obj.get("status", {}).get("conditions", ())
    )


def condition_of(obj: Obj, name: str) -> Obj:
    return next(one for one in obj["status"]["conditions"] if one["type"] == name)


def pod_template(app: str = "nginx", image: str = "nginx", **spec: Any) -> Obj:
    containers = [{"name": app, "image": image}]
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": containers, **spec}}


def replication_controller(name: str, replicas: int, **spec: Any) -> Obj:
    template = pod_template(name, **spec)
    body = {"replicas": replicas, "selector": {"app": name}, "template": template}
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name},
        "spec": body,
    }


def deployment(name: str, replicas: int, **spec: Any) -> Obj:
    wanted = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": pod_template(name),
        **spec,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": wanted,
    }


def daemon_set(name: str, image: str = "node-exporter", **spec: Any) -> Obj:
    wanted = {"hostNetwork": True, "tolerations": [{"operator": "Exists"}], **spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": pod_template(name, f"example.test/{image}:v1", **wanted),
        },
    }


def service(name: str, app: str, **spec: Any) -> Obj:
    ports = [{"port": 80, "targetPort": 80}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": app}, "ports": ports, **spec},
    }


@cache
def certificates() -> tuple[bytes, bytes, bytes, bytes]:
    """Return a CA and an API server's certificate: (CA, its key, certificate, its key) in PEM."""
    ca_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    ca = certificate(ca_name, ca_key, ca_name, ca_key, ())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    server = certificate(name, server_key, ca_name, ca_key, (MASTER,))
    return pem(ca), key_pem(ca_key), pem(server), key_pem(server_key)


def certificate(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    addresses: tuple[str, ...],
) -> x509.Certificate:
    """Sign a certificate; without addresses it is a CA's own."""
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=not addresses, path_length=None), critical=True)
    )
    if addresses:
        names = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def pem(signed: x509.Certificate) -> bytes:
    return signed.public_bytes(Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

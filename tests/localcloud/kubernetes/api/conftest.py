"""One emulated API server over TLS on a loopback port, with a fresh cluster for each module."""

import asyncio
import base64
import ipaddress
import os
import random
import shutil
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from localcloud.clock import WallClock
from localcloud.kubernetes.access.users import MASTERS
from localcloud.kubernetes.api.app import App
from localcloud.kubernetes.client import ApiClient
from localcloud.kubernetes.planes import BootstrapToken, Plane, PlaneConfig, Planes
from localcloud.profiles import PROFILES
from tests.localcloud.kubernetes.replay.asking import Sender

MASTER = "192.168.0.2"
JOIN_TOKEN = "abcdef.0123456789abcdef"


@dataclass(frozen=True)
class Pair:
    certificate: bytes
    key: bytes


class Authority:
    """A small CA, like that of a cluster."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
        usage = x509.KeyUsage(True, False, True, False, False, True, False, False, False)
        certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pair = _pair(certificate, self._key)

    def issue(self, name: str, *groups: str, server: bool = False) -> Pair:
        """Sign a certificate for a user with groups, or for a server here and on the master."""
        key = ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key)
        if server:
            names = [x509.IPAddress(ipaddress.ip_address(one)) for one in ("127.0.0.1", MASTER)]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _pair(builder.sign(self._key, hashes.SHA256()), key)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> Any:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(certificate.public_bytes(Encoding.PEM), private)


async def _no_controllers(*_: Any) -> None:
    await asyncio.Event().wait()


def no_network(address: str, port: int) -> socket.socket:
    raise ConnectionRefusedError(f"{address}:{port}")


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def plane_config(authority: Authority) -> PlaneConfig:
    server = authority.issue("kube-apiserver", server=True)
    return PlaneConfig(
        name="demo",
        version="v1.36.4",
        vpc="rtr-test",
        address=MASTER,
        ca_certificate=authority.pair.certificate,
        ca_key=authority.pair.key,
        server_certificate=server.certificate,
        server_key=server.key,
        pod_cidr="10.244.0.0/16",
        service_cidr="10.96.0.0/16",
        bootstrap_tokens=(BootstrapToken(JOIN_TOKEN),),
        dial=no_network,
    )


@pytest.fixture
def make_plane(plane_config: PlaneConfig) -> Callable[[], Plane]:
    """Returns a plane without controllers, for tests that run it in their own loop."""

    def make() -> Plane:
        planes = Planes(WallClock(), PROFILES["instant"], random.Random(7), _no_controllers)
        return planes.create(plane_config)

    return make


@pytest.fixture
def send(make_plane):
    with asyncio.Runner() as runner:
        plane = make_plane()
        runner.run(plane.start())
        yield Sender(runner, App(plane.server, "v1.36.4", "192.168.0.2"))
        runner.run(plane.stop())


@dataclass(frozen=True)
class Server:
    """A plane that serves on a loopback port from a thread of its own."""

    url: str
    plane: Plane
    authority: Authority
    loop: asyncio.AbstractEventLoop
    folder: Path

    def run(self, work: Awaitable[Any]) -> Any:
        """Run a coroutine in the server's loop."""

        async def awaited() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self.loop).result(60)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Call the server without HTTP, as an administrator."""
        client: ApiClient = self.plane.client(MASTERS)
        return self.run(client.request(method, path, **options))

    def kubeconfig(self, user: str = "admin", *groups: str) -> Path:
        """Write a kubeconfig with a client certificate."""
        path = self.folder / f"{user}.conf"
        if not path.exists():
            pair = self.authority.issue(user, *(groups or ("kubeadm:cluster-admins",)))
            path.write_text(self._config(user, pair))
        return path

    def _config(self, user: str, pair: Pair) -> str:
        def text(content: bytes) -> str:
            return base64.b64encode(content).decode()

        ca = text(self.authority.pair.certificate)
        cluster = {"server": self.url, "certificate-authority-data": ca}
        credentials = {
            "client-certificate-data": text(pair.certificate),
            "client-key-data": text(pair.key),
        }
        context = {"cluster": "demo", "user": user}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "demo", "cluster": cluster}],
                "users": [{"name": user, "user": credentials}],
                "contexts": [{"name": "demo", "context": context}],
                "current-context": "demo",
            }
        )

    def client(self, user: str = "admin", *groups: str) -> kubernetes.client.ApiClient:
        """The real python client, over TLS with a client certificate."""
        return kubernetes.config.new_client_from_config(str(self.kubeconfig(user, *groups)))

    def anonymous(self, token: str = "") -> kubernetes.client.ApiClient:
        """The real python client without a certificate, with a bearer token if one is given."""
        configuration = kubernetes.client.Configuration(host=self.url)
        ca = self.folder / "ca.crt"
        ca.write_bytes(self.authority.pair.certificate)
        configuration.ssl_ca_cert = str(ca)
        if token:
            configuration.api_key["authorization"] = f"Bearer {token}"
        return kubernetes.client.ApiClient(configuration)


@pytest.fixture(scope="module")
def server(
    plane_config: PlaneConfig, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    planes = Planes(WallClock(), PROFILES["instant"], random.Random(7), _no_controllers)
    with serving(planes.create(plane_config), authority, tmp_path_factory.mktemp("cluster")) as one:
        yield one


@contextmanager
def serving(plane: Plane, authority: Authority, folder: Path) -> Iterator[Server]:
    """Serve a plane on a loopback port, from a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="api server")
    thread.start()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)

    def accept() -> None:
        connection, peer = listener.accept()
        plane.accept(connection, str(peer))

    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    running = Server(url, plane, authority, loop, folder)
    running.run(plane.start())
    loop.call_soon_threadsafe(loop.add_reader, listener.fileno(), accept)
    try:
        yield running
    finally:
        loop.call_soon_threadsafe(loop.remove_reader, listener.fileno())
        running.run(plane.stop())
        running.run(asyncio.sleep(0))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        listener.close()
        loop.close()


class Kubectl:
    """A real kubectl with a home folder of its own."""

    def __init__(self, program: str, server: Server) -> None:
        self._program = program
        self._server = server
        self.env = {"PATH": os.environ["PATH"], "HOME": str(server.folder)}

    def try_run(
        self, *words: str, stdin: str = "", user: str = "admin"
    ) -> subprocess.CompletedProcess[str]:
        command = [self._program, f"--kubeconfig={self._server.kubeconfig(user)}", *words]
        return subprocess.run(
            command, input=stdin, env=self.env, capture_output=True, text=True, timeout=60
        )

    def __call__(self, *words: str, stdin: str = "", user: str = "admin") -> str:
        """Run one command that must succeed, and return its output."""
        done = self.try_run(*words, stdin=stdin, user=user)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def kubectl(server: Server) -> Kubectl:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("no kubectl on PATH")
    return Kubectl(program, server)


@pytest.fixture
def make_pod() -> Callable[..., dict[str, Any]]:
    """Returns the manifest of a pod with one nginx container."""

    def make(name: str = "", **labels: str) -> dict[str, Any]:
        naming = {"name": name} if name else {"generateName": "pod-"}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**naming, "labels": labels},
            "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]},
        }

    return make

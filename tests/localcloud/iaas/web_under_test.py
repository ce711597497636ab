"""Web servers on machines, and a self-signed certificate for them."""

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.localcloud.iaas.cloud_under_test import CloudUnderTest
from tests.localcloud.iaas.network_under_test import private_ip

NAME = "www.example.com"


@dataclass
class WebServer:
    """Answers with the machine's id, and records the requests.

    Attributes:
        status: what it answers to every request.
        headers: what it adds to every answer, whole lines.
        tls: the context for TLS; None for plain HTTP.
        holds: whether its answers never end.
        cuts: whether its answers end in the first line.
    """

    machine: str
    heads: list[str] = field(default_factory=list)
    status: str = "200 OK"
    headers: str = ""
    tls: ssl.SSLContext | None = None
    holds: bool = False
    cuts: bool = False
    _answers: set[asyncio.Task[None]] = field(default_factory=set)

    def accept(self, connection: socket.socket, source: str) -> None:
        answer = asyncio.ensure_future(self._answer(connection))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    async def _answer(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        transport, protocol = await loop.connect_accepted_socket(
            lambda: asyncio.StreamReaderProtocol(reader, loop=loop), connection, ssl=self.tls
        )
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        head = f"HTTP/1.1 {self.status}\r\n{self.headers}\r\n"
        answer = head.encode() + self.machine.encode()
        writer.write(answer[:12] if self.cuts else answer)
        await writer.drain()
        if self.holds:
            await reader.read()
        writer.close()


def serve(cloud: CloudUnderTest, router: str, server: WebServer) -> None:
    """Let a web server answer on port 80 of its machine."""
    address = private_ip(cloud, server.machine)

    async def start() -> None:
        cloud.fabric.listen(router, address, 80, server.accept)

    cloud.await_on_loop(start())


@dataclass(frozen=True)
class Certified:
    """A self-signed certificate for `NAME` and its private key, as PEM."""

    certificate: str
    private_key: str
    locked_key: str

    @property
    def request(self) -> dict[str, str]:
        """Return the parameters of a CreateServerCertificate."""
        return {"certificate_content": self.certificate, "private_key": self.private_key}


def make_certificate() -> Certified:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )

    def write(encryption: NoEncryption | BestAvailableEncryption) -> str:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()

    return Certified(
        certificate.public_bytes(Encoding.PEM).decode(),
        write(NoEncryption()),
        write(BestAvailableEncryption(b"a password")),
    )

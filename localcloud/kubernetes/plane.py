"""The configuration and the interface of a control plane, for both engines."""

import hashlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from localcloud.kubernetes.access.join_tokens import BootstrapToken
from localcloud.kubernetes.access.users import User
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.etcd import Etcd


@dataclass(frozen=True, slots=True)
class PlaneConfig:
    """kubeadm's settings of a control plane; certificates and keys are PEM.

    Attributes:
        dial: reaches into the private network as the master machine does.
        node_cidr_mask: the prefix length of each node's part of the pod network.
        data: the file in which a plane keeps its objects; without one they end with the process.
            A real plane needs it, and keeps a folder beside it instead.
    """

    name: str
    version: str
    vpc: str
    address: str
    ca_certificate: bytes
    ca_key: bytes
    server_certificate: bytes
    server_key: bytes
    pod_cidr: str
    service_cidr: str
    bootstrap_tokens: tuple[BootstrapToken, ...]
    dial: Callable[[str, int], socket.socket]
    node_cidr_mask: int = 24
    data: Path | None = None


class Door(Protocol):
    """One API server of a plane, as its clients meet it: with a certificate and a version."""

    def accept(self, connection: socket.socket, peer: str) -> None:
        """Serve one TLS connection until it ends; refused while the plane is stopped."""
        ...

    async def close(self) -> None:
        """End all connections."""
        ...


class Plane(Protocol):
    """API servers over the members of one etcd, with controllers. Its objects outlive `stop`."""

    config: PlaneConfig
    ca_hash: str
    etcd: Etcd

    takes_members: bool
    """Whether this engine has more than one etcd member, and so more than one master."""

    @property
    def is_running(self) -> bool: ...

    async def start(self) -> None:
        """Start the first etcd member, and serve if that is enough; a second start has no effect.

        The first start creates system objects.
        """
        ...

    async def stop(self) -> None:
        """End the controllers, every watch and every connection; the objects stay."""
        ...

    async def start_member(self, member_id: int, data: Path | None) -> None:
        """Let an etcd member of the list run, with its file."""
        ...

    async def stop_member(self, member_id: int, data: Path | None) -> None:
        """Stop an etcd member; it stays in the list."""
        ...

    async def follow_etcd(self) -> None:
        """Take over a change of the list of members."""
        ...

    def accept(self, connection: socket.socket, peer: str) -> None:
        """Serve one TLS connection until it ends; refused while the plane is stopped."""
        ...

    def open_door(self, version: str, address: str, certificate: bytes, key: bytes) -> Door:
        """Return one more API server over the same objects, for the address of a master."""
        ...

    def client(self, user: User) -> ApiClient:
        """Return a client with an identity."""
        ...

    def settle(self) -> None:
        """Write every change into the files of the members."""
        ...


def hash_of_ca(certificate: bytes) -> str:
    """Return the hash that kubeadm pins: SHA-256 of the public key, as `sha256:…`."""
    key = x509.load_pem_x509_certificate(certificate).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(spki).hexdigest()}"

"""Clients that go away, in every way that a program can, leave no socket behind."""

import os
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localcloud.fabric import Fabric
from localcloud.iaas.public import Forward, PublicPort
from tests.localcloud.kubernetes.api.conftest import MASTER, Server

NODES = "/api/v1/nodes"
WATCH = f"{NODES}?watch=1"
CLIENTS = 5
PATIENCE = 30.0


def open_sockets() -> int:
    folder = Path("/proc/self/fd")
    found = 0
    for name in os.listdir(folder):
        try:
            found += os.readlink(folder / name).startswith("socket:")
        except FileNotFoundError:  # that of the listing itself
            continue
    return found


def close(connection: ssl.SSLSocket) -> None:
    """What a program does that ends in order."""
    connection.close()


def reset(connection: ssl.SSLSocket) -> None:
    """What the kernel does for a program that ends before it has read everything."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def half_close(connection: ssl.SSLSocket) -> None:
    """End our direction, and read the other one to its end."""
    with socket.socket(fileno=connection.detach()) as plain:
        plain.shutdown(socket.SHUT_WR)
        plain.settimeout(PATIENCE)
        while plain.recv(65536):
            pass


@pytest.fixture(scope="module")
def port(server: Server) -> Iterator[int]:
    """The API server behind a published port."""
    fabric = Fabric()
    fabric.listen("rtr-1", MASTER, 6443, server.plane.accept)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number: int = probe.getsockname()[1]
    forward = Forward("127.0.0.1", number, "rtr-1", "rtr-1", MASTER, 6443)
    published = PublicPort(forward, fabric, lambda owner, source, at: True)
    server.run(published.open())
    yield number
    server.run(published.close())


@pytest.mark.parametrize("path", [NODES, WATCH], ids=["get", "watch"])
@pytest.mark.parametrize("leave", [close, reset, half_close], ids=lambda way: way.__name__)
def test_client_that_goes_away_leaves_no_socket(
    server: Server, port: int, path: str, leave: Callable[[ssl.SSLSocket], None]
) -> None:
    pair = server.authority.issue("admin", "kubeadm:cluster-admins")
    both = server.folder / "pair.pem"
    both.write_bytes(pair.certificate + pair.key)
    context = ssl.create_default_context(cadata=server.authority.pair.certificate.decode())
    context.load_cert_chain(both)
    before = open_sockets()
    for _ in range(CLIENTS):
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        connection = context.wrap_socket(plain, server_hostname="127.0.0.1")
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {MASTER}\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 200"
        leave(connection)
    deadline = time.monotonic() + PATIENCE
    while open_sockets() > before:
        assert time.monotonic() < deadline, f"{open_sockets() - before} sockets stay open"

"""The API server's connections to simulated pods: CONNECT on a Unix socket."""

import asyncio
import socket

import pytest

from localcloud.fabric import Fabric
from localcloud.kubernetes.real.egress import EgressServer

VPC, MASTER, POD = "rtr-test", "192.168.100.2", "10.244.0.3"


async def ask(path, request: bytes) -> tuple[bytes, bytes]:
    """Send a request, and after a 200 a word; return the head and the rest of the answer."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 200"):
        writer.write(b"hello")
        writer.write_eof()
    rest = await reader.read()
    writer.close()
    return head, rest


def egress_story(path, request: bytes) -> tuple[bytes, bytes]:
    """Run a server for a private network in which one pod echoes in capitals."""
    fabric = Fabric()

    def echo(connection: socket.socket, peer: str) -> None:
        async def answer() -> None:
            reader, writer = await asyncio.open_connection(sock=connection)
            writer.write((await reader.read()).upper())
            writer.close()

        tasks.append(asyncio.ensure_future(answer()))

    tasks: list[asyncio.Task[None]] = []

    async def story() -> tuple[bytes, bytes]:
        fabric.listen(VPC, POD, 80, echo)
        server = EgressServer(path, lambda a, p: fabric.dial(VPC, MASTER, a, p))
        await server.start()
        try:
            async with asyncio.timeout(60):
                return await ask(path, request)
        finally:
            await server.stop()
            await asyncio.gather(*tasks)

    return asyncio.run(story())


def test_a_connect_request_reaches_the_pod(tmp_path):
    request = f"CONNECT {POD}:80 HTTP/1.1\r\nHost: {POD}:80\r\n\r\n".encode()
    head, rest = egress_story(tmp_path / "egress.sock", request)
    assert (head, rest) == (b"HTTP/1.1 200 OK\r\n\r\n", b"HELLO")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        pytest.param("CONNECT 10.244.0.9:80 HTTP/1.1", b"502", id="nothing listens there"),
        pytest.param("GET / HTTP/1.1", b"400", id="another method"),
        pytest.param("CONNECT 10.244.0.3 HTTP/1.1", b"400", id="no port"),
        pytest.param("nonsense", b"400", id="no HTTP"),
        pytest.param("CONNECT " + "x" * 20_000 + ":80 HTTP/1.1", b"400", id="a head without end"),
    ],
)
def test_other_requests_are_refused(tmp_path, request_line, status):
    head, rest = egress_story(tmp_path / "egress.sock", f"{request_line}\r\n\r\n".encode())
    assert head.split()[1] == status
    assert rest == b""


def test_the_socket_of_a_killed_process_is_replaced(tmp_path):
    path = tmp_path / "egress.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    request = f"CONNECT {POD}:80 HTTP/1.1\r\n\r\n".encode()
    assert egress_story(path, request)[1] == b"HELLO"
    assert not path.exists()

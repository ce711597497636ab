"""A client that has half-closed its connection still receives the whole answer."""

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable

import pytest

from localcloud.fabric import Fabric
from localcloud.iaas.public import Forward, PublicPort
from tests.loopback_door import LoopbackDoor

VPC, PRIVATE, PORT = "rtr-1", "192.168.1.2", 80


async def read_port(port: int, answers: asyncio.Queue[socket.socket]) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"question")
    writer.write_eof()
    inner = await asyncio.open_connection(sock=await answers.get())
    assert await inner[0].read() == b"question"
    await asyncio.sleep(0)
    gc.collect()
    inner[1].write(b"answer")
    inner[1].close()
    await inner[1].wait_closed()
    answer = await reader.read()
    writer.close()
    return answer


async def through_a_public_port(fabric: Fabric) -> tuple[int, Callable[[], Awaitable[None]]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    forward = Forward("127.0.0.1", port, "eip-1", VPC, PRIVATE, PORT)
    public_port = PublicPort(forward, fabric, lambda owner, source, at: True)
    await public_port.open()
    return port, public_port.close


async def through_a_loopback_listener(
    fabric: Fabric,
) -> tuple[int, Callable[[], Awaitable[None]]]:
    port = LoopbackDoor(lambda: fabric.dial(VPC, "192.168.1.1", PRIVATE, PORT))
    return await port.open(), port.close


@pytest.mark.parametrize("way", [through_a_public_port, through_a_loopback_listener])
def test_half_closed_connection_survives_the_garbage_collector(
    way: Callable[[Fabric], Awaitable[tuple[int, Callable[[], Awaitable[None]]]]],
) -> None:
    async def story() -> bytes:
        fabric = Fabric()
        answers: asyncio.Queue[socket.socket] = asyncio.Queue()
        fabric.listen(VPC, PRIVATE, PORT, lambda connection, peer: answers.put_nowait(connection))
        port, close = await way(fabric)
        answer = await read_port(port, answers)
        await close()
        return answer

    assert asyncio.run(asyncio.wait_for(story(), 60)) == b"answer"

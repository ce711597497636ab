"""Both directions of a connection end together, whichever way one of them ends."""

import asyncio
import socket
import struct

from localcloud.connections import splice

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LIMIT = 30.0


async def loopback_pair() -> tuple[Streams, socket.socket]:
    """Our end of a TCP connection as streams, and the client's end."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    ours, _ = listener.accept()
    listener.close()
    ours.setblocking(False)
    return await asyncio.open_connection(sock=ours), client


async def inner_pair() -> tuple[Streams, Streams]:
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    return await asyncio.open_connection(sock=left), await asyncio.open_connection(sock=right)


def test_reset_of_one_side_ends_the_other() -> None:
    async def story() -> bytes:
        near, client = await loopback_pair()
        far, server = await inner_pair()
        splicing = asyncio.ensure_future(splice(near, far))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        received = await server[0].read()
        server[1].close()
        await splicing
        return received

    assert asyncio.run(asyncio.wait_for(story(), LIMIT)) == b""


def test_side_that_has_ended_does_not_wait_for_a_silent_one_for_ever() -> None:
    """An idle pool of a living client never closes what the server has closed."""

    async def story() -> bytes:
        near, client = await loopback_pair()
        far, server = await inner_pair()
        server[1].write(b"goodbye")
        server[1].write_eof()
        await splice(near, far, linger=0.01)
        received = await server[0].read()
        server[1].close()
        with client:
            return received + client.recv(100) + client.recv(100)

    assert asyncio.run(asyncio.wait_for(story(), LIMIT)) == b"goodbye"


def test_side_that_has_ended_is_still_answered_piece_by_piece() -> None:
    async def story() -> bytes:
        near, client = await loopback_pair()
        far, server = await inner_pair()
        splicing = asyncio.ensure_future(splice(near, far))
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert await server[0].read() == b"question"
        for piece in (b"an", b"sw", b"er"):
            server[1].write(piece)
            await server[1].drain()
        server[1].close()
        await splicing
        with client:
            return b"".join(iter(lambda: client.recv(100), b""))

    assert asyncio.run(asyncio.wait_for(story(), LIMIT)) == b"answer"

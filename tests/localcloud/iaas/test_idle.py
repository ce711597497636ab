import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

import pytest

from localcloud.iaas.idle import (
    Watched,
    accept_watched,
    open_watched,
    splice_while_busy,
)
from localcloud.iaas.tls import backend_side

PATIENCE = 30.0


async def plain(connection: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    connection.setblocking(False)
    return await asyncio.open_connection(sock=connection)


def pair() -> tuple[socket.socket, socket.socket]:
    left, right = socket.socketpair()
    left.setblocking(False)
    return left, right


def test_connection_is_cut_when_both_sides_are_silent() -> None:
    async def story() -> tuple[bytes, bytes]:
        (near, client), (far, server) = pair(), pair()
        client_side, server_side = await plain(client), await plain(server)
        ends = await open_watched(near, PATIENCE), await open_watched(far, PATIENCE)
        await splice_while_busy(*ends, 0.01)
        received = await client_side[0].read(), await server_side[0].read()
        for _, writer in (client_side, server_side):
            writer.close()
            await writer.wait_closed()
        return received

    assert asyncio.run(asyncio.wait_for(story(), PATIENCE)) == (b"", b"")


def test_busy_connection_carries_both_ways_until_its_ends_hang_up() -> None:
    async def story() -> tuple[bytes, bytes]:
        (near, client), (far, server) = pair(), pair()
        client_side, server_side = await plain(client), await plain(server)
        ends = await open_watched(near, PATIENCE), await open_watched(far, PATIENCE)
        splicing = asyncio.ensure_future(splice_while_busy(*ends, PATIENCE))
        client_side[1].write(b"question")
        question = await server_side[0].readexactly(8)
        server_side[1].write(b"answer")
        answer = await client_side[0].readexactly(6)
        for _, writer in (client_side, server_side):
            writer.close()
            await writer.wait_closed()
        await splicing
        return question, answer

    assert asyncio.run(asyncio.wait_for(story(), PATIENCE)) == (b"question", b"answer")


@pytest.mark.parametrize(
    ("take_over", "tls"),
    [
        pytest.param(accept_watched, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), id="accepted"),
        pytest.param(open_watched, backend_side(), id="backend"),
    ],
)
def test_connection_is_cut_when_the_other_side_never_shakes_hands(
    take_over: Callable[[socket.socket, float, ssl.SSLContext], Awaitable[Watched]],
    tls: ssl.SSLContext,
) -> None:
    async def story() -> None:
        ours, theirs = pair()
        silent = await plain(theirs)
        with pytest.raises(TimeoutError):
            await take_over(ours, 0.01, tls)
        await silent[0].read()  # to its end
        silent[1].close()
        await silent[1].wait_closed()

    asyncio.run(asyncio.wait_for(story(), PATIENCE))

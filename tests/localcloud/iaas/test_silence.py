import asyncio
import socket

from localcloud.iaas.silence import open_watched, splice_while_busy

PATIENCE = 5.0


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
        await splice_while_busy(await open_watched(near), await open_watched(far), 0.01)
        ends = await client_side[0].read(), await server_side[0].read()
        for _, writer in (client_side, server_side):
            writer.close()
            await writer.wait_closed()
        return ends

    assert asyncio.run(asyncio.wait_for(story(), PATIENCE)) == (b"", b"")


def test_busy_connection_carries_both_ways_until_its_ends_hang_up() -> None:
    async def story() -> tuple[bytes, bytes]:
        (near, client), (far, server) = pair(), pair()
        client_side, server_side = await plain(client), await plain(server)
        splicing = asyncio.ensure_future(
            splice_while_busy(await open_watched(near), await open_watched(far), PATIENCE)
        )
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

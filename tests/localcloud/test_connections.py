"""A conversation that is over leaves no open socket behind, whatever the other side does."""

import asyncio
import gc
import socket
import ssl
import warnings
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from localcloud.connections import Visits, hang_up, splice
from localcloud.https import get
from localcloud.iaas.health import HealthCheck, ask
from localcloud.iaas.idle import open_watched
from localcloud.iaas.tls import backend_side, server_side
from tests.localcloud.iaas.web_under_test import make_certificate

LIMIT = 30.0
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHECK = HealthCheck("/", "", 10, 5, 2, 2)

Talk = Callable[[socket.socket], Coroutine[Any, Any, None]]


async def fetch(connection: socket.socket) -> None:
    assert (await get(connection, backend_side(), "any", "/")).text == "ok"


async def check(connection: socket.socket) -> None:
    assert await ask(CHECK, await open_watched(connection, LIMIT, backend_side()))


async def pass_on(connection: socket.socket) -> None:
    near, far = await open_watched(connection, LIMIT, backend_side()), pair()
    visitor = await asyncio.open_connection(sock=far[1])
    splicing = asyncio.ensure_future(splice(near, await asyncio.open_connection(sock=far[0])))
    assert await visitor[0].readexactly(len(REPLY)) == REPLY
    await hang_up(visitor[1])
    splicing.cancel()
    await asyncio.gather(splicing, return_exceptions=True)


@pytest.mark.parametrize("talk", [fetch, check, pass_on])
def test_tls_is_cut_when_the_other_side_does_not_say_goodbye(talk: Talk) -> None:
    made = make_certificate()
    tls = server_side(made.certificate, made.private_key)
    near, far = socket.socketpair()
    near.setblocking(False)
    with ThreadPoolExecutor() as pool, far:

        def serve() -> ssl.SSLSocket:
            server = tls.wrap_socket(far, server_side=True)
            server.sendall(REPLY)
            return server  # which reads no more, and stays open

        served = pool.submit(serve)
        assert left_open(lambda: talk(near)) == []
        served.result().close()


def test_visit_that_is_cancelled_before_it_begins_is_closed() -> None:
    async def serve(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        raise AssertionError("it began")

    async def story() -> None:
        near, far = pair()
        visits = Visits(serve)
        visits.accept(*await asyncio.open_connection(sock=near))
        visitor = await asyncio.open_connection(sock=far)
        await visits.close()
        assert await visitor[0].read() == b""
        await hang_up(visitor[1])

    assert left_open(story) == []


def test_visitor_gets_the_whole_answer_before_the_end() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(1) * 1_000_000)

    async def story() -> None:
        near, far = pair()
        Visits(serve).accept(*await asyncio.open_connection(sock=near))
        visitor = await asyncio.open_connection(sock=far)
        visitor[1].write(b"x")
        assert await visitor[0].read() == b"x" * 1_000_000
        await hang_up(visitor[1])

    assert left_open(story) == []


def pair() -> tuple[socket.socket, socket.socket]:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    return near, far


def left_open(story: Callable[[], Coroutine[Any, Any, None]]) -> list[str]:
    """The sockets that are still open after the event loop's end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(asyncio.wait_for(story(), LIMIT))
        gc.collect()
    return [str(one.message) for one in caught if issubclass(one.category, ResourceWarning)]

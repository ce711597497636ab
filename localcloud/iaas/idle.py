"""Connections that are closed when idle, as load balancers do."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import SupportsIndex

from localcloud.connections import splice
from localcloud.iaas.http_routing import END

LARGEST_HEAD = 128 * 1024
"""Bytes read at once; more than the headers of a request may have."""

Edit = Callable[[bytes], tuple[bytes, bool]]
"""Takes a head; returns its replacement, and whether it was the last one."""


class WatchedReader(asyncio.StreamReader):
    """A reader that records when it last received data.

    Attributes:
        received_at: event loop time, in seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=LARGEST_HEAD, loop=loop)
        self._clock = loop.time
        self.received_at = self._clock()
        self._edit: Edit | None = None

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        self.received_at = self._clock()
        super().feed_data(data)

    def edit_head(self, edit: Edit) -> None:
        """Edit the next bytes, up to the end of the headers, before they are read."""
        self._edit = edit

    async def read(self, n: int = -1) -> bytes:
        """Read bytes; an edited head is returned as a whole."""
        if self._edit is None:
            return await super().read(n)
        try:
            head = await self.readuntil(END)
        except asyncio.IncompleteReadError as error:
            self._edit = None
            return error.partial
        except asyncio.LimitOverrunError:
            self._edit = None
            return await super().read(n)
        edited, is_last = self._edit(head)
        if is_last:
            self._edit = None
        return edited


Watched = tuple[WatchedReader, asyncio.StreamWriter]


async def accept_watched(
    connection: socket.socket, patience: float, tls: ssl.SSLContext | None = None
) -> Watched:
    """Take over an accepted socket, with a TLS handshake where a context is given.

    Args:
        patience: seconds that the handshake may take.

    Raises:
        OSError: the handshake fails, or is not done in time (`TimeoutError`).
    """
    loop = asyncio.get_running_loop()
    reader = WatchedReader(loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    async with asyncio.timeout(patience):
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def open_watched(
    connection: socket.socket, patience: float, tls: ssl.SSLContext | None = None
) -> Watched:
    """Take over a connected socket, with a TLS handshake as in `accept_watched`."""
    loop = asyncio.get_running_loop()
    reader = WatchedReader(loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    async with asyncio.timeout(patience):
        transport, _ = await loop.create_connection(
            lambda: protocol, sock=connection, ssl=tls, server_hostname="" if tls else None
        )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def splice_while_busy(near: Watched, far: Watched, patience: float) -> None:
    """Copy bytes both ways until both sides have ended, or both are idle for too long.

    Args:
        patience: idle seconds after which the connection is closed.
    """
    loop = asyncio.get_running_loop()
    copying = asyncio.ensure_future(splice(near, far))
    try:
        while not copying.done():
            left = max(near[0].received_at, far[0].received_at) + patience - loop.time()
            if left <= 0:
                break
            await asyncio.wait([copying], timeout=left)
    finally:
        copying.cancel()
        with suppress(asyncio.CancelledError):
            await copying

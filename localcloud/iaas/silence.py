"""Connections that are cut when nobody says anything, as load balancers do."""

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import SupportsIndex

from localcloud.fabric import splice

LARGEST_HEAD = 128 * 1024
"""Bytes that are read at once; more than the headers of a request may have."""


class WatchedReader(asyncio.StreamReader):
    """A reader that remembers when it last received something.

    Attributes:
        heard_at: on the clock of the event loop, in seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=LARGEST_HEAD, loop=loop)
        self._clock = loop.time
        self.heard_at = self._clock()

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        self.heard_at = self._clock()
        super().feed_data(data)


Watched = tuple[WatchedReader, asyncio.StreamWriter]


async def open_watched(connection: socket.socket) -> Watched:
    """Take over a connected socket, as `asyncio.open_connection` does."""
    loop = asyncio.get_running_loop()
    reader = WatchedReader(loop)
    transport, protocol = await loop.create_connection(
        lambda: asyncio.StreamReaderProtocol(reader, loop=loop), sock=connection
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def splice_while_busy(near: Watched, far: Watched, patience: float) -> None:
    """Copy bytes both ways until both sides have ended, or both are silent for too long.

    Args:
        patience: seconds of silence after which the connection is cut.
    """
    loop = asyncio.get_running_loop()
    copying = asyncio.ensure_future(splice(near, far))
    try:
        while not copying.done():
            left = max(near[0].heard_at, far[0].heard_at) + patience - loop.time()
            if left <= 0:
                break
            await asyncio.wait([copying], timeout=left)
    finally:
        copying.cancel()
        with suppress(asyncio.CancelledError):
            await copying

"""A loopback port for what a test wants to reach inside a private network."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from localcloud.connections import Visits, splice


class LoopbackDoor:
    """A free port; every visitor is connected to what `dial` returns, or hung up on."""

    def __init__(self, dial: Callable[[], socket.socket]) -> None:
        self._dial = dial
        self._server: asyncio.Server | None = None
        self._visits = Visits(self._visit)

    async def open(self) -> int:
        """Start to listen; returns the port."""
        self._server = await asyncio.start_server(self._visits.accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop to listen, and cut the conversations."""
        if self._server is not None:
            self._server.close()
        await self._visits.close()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await splice((reader, writer), await asyncio.open_connection(sock=self._dial()))

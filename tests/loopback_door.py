"""A loopback port for what a test wants to reach inside a private network."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from localcloud.fabric import splice


class LoopbackDoor:
    """A free port; every visitor is connected to what `dial` returns, or hung up on."""

    def __init__(self, dial: Callable[[], socket.socket]) -> None:
        self._dial = dial
        self._server: asyncio.Server | None = None
        # The loop refers to its tasks only weakly, and a visitor who has nothing more to say is
        # not watched: without a name, the collector takes the rest of the conversation.
        self._visits: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        """Start to listen; returns the port."""
        self._server = await asyncio.start_server(self._visit, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Stop to listen, and cut the conversations."""
        if self._server is not None:
            self._server.close()
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = asyncio.current_task()
        assert visit is not None
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)
        try:
            far = self._dial()
        except OSError:
            writer.close()
            return
        with suppress(asyncio.CancelledError):  # start_server would report it as a failure
            await splice((reader, writer), await asyncio.open_connection(sock=far))

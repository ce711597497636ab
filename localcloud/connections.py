"""Connections from their begin to their end: none stays open, whatever the other side does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

GOODBYE = 5.0
"""Seconds for the rest of what was written, and for the other side's end of TLS; asyncio itself
waits for half a minute, which is longer than some event loops live."""

LINGER = 60.0
"""Seconds that one direction may be silent after the other has ended; Linux keeps a half-closed
connection as long."""

CHUNK = 64 * 1024

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def hang_up(*writers: asyncio.StreamWriter, patience: float = GOODBYE) -> None:
    """Send what is written, and close; after `patience` seconds, or when cancelled, cut."""
    try:
        for writer in writers:
            writer.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                for writer in writers:
                    with suppress(OSError):
                        await writer.wait_closed()
    finally:
        for writer in writers:
            writer.transport.abort()


class Visits:
    """The connections of one listener, each served by a task of its own.

    `accept` is a plain function on purpose: a coroutine in its place would begin later, and one
    that is cancelled before it begins leaves its connection open.
    """

    def __init__(self, serve: Serve) -> None:
        """Serve each visitor by `serve`, whose connection is closed when it returns."""
        self._serve = serve
        self._running: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection; to be given to `asyncio.start_server`."""
        task = asyncio.ensure_future(self._visit(reader, writer))
        self._running[task] = writer
        task.add_done_callback(self._ended)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(reader, writer)
        await hang_up(writer)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task).transport.abort()

    async def close(self) -> None:
        """Cut all connections."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def splice(near: Stream, far: Stream, linger: float = LINGER) -> None:
    """Copy bytes both ways until both sides have ended, then close both.

    A side that was reset ends the other at once: it cannot be answered any more. A side that has
    ended in order is still answered, until nothing has come for `linger` seconds: a client with a
    pool of idle connections never closes what the server has closed.
    """
    copied, patience = 0, 0.0

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal copied
        while data := await reader.read(CHUNK):
            copied += len(data)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()  # TLS cannot be half-closed

    running = {asyncio.ensure_future(copy(near[0], far[1])),
               asyncio.ensure_future(copy(far[0], near[1]))}  # fmt: skip
    try:
        ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        with suppress(OSError):
            for one in ended:
                one.result()
            while running:
                before = copied
                ended, running = await asyncio.wait(running, timeout=linger)
                if not ended and copied == before:
                    break
        patience = GOODBYE
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await hang_up(near[1], far[1], patience=patience)

"""Connects a real API server with the simulated VPC: HTTP CONNECT on a Unix socket."""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from localcloud.connections import Visits, splice

Dial = Callable[[str, int], socket.socket]
"""Connects to an address and port of the private network. Raises OSError."""

LARGEST_HEAD = 8192  # bytes of a CONNECT request
PATIENCE = 10.0  # seconds for the arrival of the request

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

log = logging.getLogger(__name__)


class BadRequest(Exception):
    """The input is not a CONNECT request."""


class EgressServer:
    """Answers CONNECT requests with connections into the private network."""

    def __init__(self, path: Path, dial: Dial) -> None:
        self._path = path
        self._dial = dial
        self._server: asyncio.Server | None = None
        self._visits = Visits(self._accept)

    async def start(self) -> None:
        """Listen; the socket of an earlier process is replaced."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(
            self._visits.accept, self._path, limit=LARGEST_HEAD
        )

    async def stop(self) -> None:
        """End the listener and all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._visits.close()
        self._path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve((reader, writer))
        except (OSError, BadRequest) as error:
            log.debug("egress: %s", error)

    async def _serve(self, near: Stream) -> None:
        reader, writer = near
        try:
            async with asyncio.timeout(PATIENCE):
                address, port = await read_connect(reader)
            far = await asyncio.open_connection(sock=self._dial(address, port))
        except BadRequest:
            await _answer(writer, "400 Bad Request")
            raise
        except OSError:
            await _answer(writer, "502 Bad Gateway")
            raise
        await _answer(writer, "200 OK")
        await splice(near, far)


async def read_connect(reader: asyncio.StreamReader) -> tuple[str, int]:
    """Read a CONNECT request with its headers, and return its address and port.

    Raises:
        BadRequest: it is malformed, too long, or incomplete.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise BadRequest(f"no whole request: {error}") from error
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    if len(words) != 3 or words[0] != "CONNECT":
        raise BadRequest(f"not a CONNECT request: {words[0]!r}")
    address, _, port = words[1].rpartition(":")
    if not address or not port.isdigit():
        raise BadRequest(f"not an address with a port: {words[1]!r}")
    return address.strip("[]"), int(port)


async def _answer(writer: asyncio.StreamWriter, status: str) -> None:
    with suppress(OSError):
        writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
        await writer.drain()

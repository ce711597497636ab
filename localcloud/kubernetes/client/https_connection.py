"""One HTTP/1.1 connection to an API server, over TLS."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import h11

from localcloud.kubernetes.client.interface import JSON

SILENCE = 330.0  # seconds after which an answer that says nothing counts as broken
GOODBYE = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Address:
    """Where an API server listens, and the name that its certificate has."""

    host: str
    port: int
    name: str


class Connection:
    """One HTTP/1.1 connection; one request at a time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        self._http = h11.Connection(h11.CLIENT)

    @classmethod
    async def open(cls, address: Address, tls: ssl.SSLContext) -> "Connection":
        reader, writer = await asyncio.open_connection(
            address.host, address.port, ssl=tls, server_hostname=address.name
        )
        return cls(reader, writer, address.name)

    async def send(self, method: str, target: str, body: Any, content_type: str) -> tuple[int, str]:
        """Send a request; returns the status and the content type of the answer."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = [("Host", self._host), ("Accept", JSON), ("Content-Length", str(len(content)))]
        if content:
            headers.append(("Content-Type", content_type))
        head = h11.Request(method=method, target=target, headers=headers)
        for event in (head, h11.Data(content), h11.EndOfMessage()):
            self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()
        while True:
            answer = await self._next()
            if isinstance(answer, h11.Response):
                known = dict(answer.headers)
                return answer.status_code, known.get(b"content-type", b"").decode()

    async def parts(self) -> AsyncIterator[bytes]:
        """The body of the answer, piece by piece."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return

    async def _next(self) -> h11.Event:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                async with asyncio.timeout(SILENCE):
                    self._http.receive_data(await self._reader.read(65536))
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                raise ConnectionError("the connection ended within an answer")
            else:
                assert not isinstance(event, type)
                return event

    def is_reusable(self) -> bool:
        """Make the connection ready for another request; False where it cannot be."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def has_ended(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    async def close(self) -> None:
        """Say goodbye as TLS wants it, but do not wait long for the answer."""
        self._writer.close()
        try:
            async with asyncio.timeout(GOODBYE):
                await self._writer.wait_closed()
        except OSError:
            pass
        finally:
            self._writer.transport.abort()  # also where we are cancelled before the answer

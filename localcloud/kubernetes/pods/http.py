"""HTTP/1.1 in the private network: a request and its reply, and a small server."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import h11

from localcloud.connections import hang_up

ReadApi = Callable[[str, str], Awaitable[tuple[int, Any]]]
"""Reads (path, bearer token) from the Kubernetes API; returns the HTTP status and the object."""

OWN = "own"
"""In place of a token: that of the pod's own ServiceAccount."""

IDLE = 75.0  # seconds that an open connection may be idle
MAX_BODY = 1024 * 1024
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str  # without the query
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    secure: bool = False  # it came over TLS


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @classmethod
    def html(cls, status: int, page: str, headers: Mapping[str, str] | None = None) -> "Reply":
        """Return a reply with an HTML page."""
        return cls(
            status, {"content-type": "text/html; charset=utf-8", **(headers or {})}, page.encode()
        )


AnswerRequest = Callable[[Request], Awaitable[Reply]]


async def serve_connection(
    connection: socket.socket, answer: AnswerRequest, tls: ssl.SSLContext | None = None
) -> None:
    """Answer the requests of one connected socket until the client closes it or is idle."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    try:
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls)
    except (OSError, ssl.SSLError):
        connection.close()
        return
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    server = h11.Connection(h11.SERVER)
    try:
        while (request := await _read_request(server, reader, tls is not None)) is not None:
            await _send_reply(server, writer, request, await answer(request))
            if server.our_state is not h11.DONE or server.their_state is not h11.DONE:
                break
            server.start_next_cycle()
    except (OSError, TimeoutError, h11.ProtocolError):
        pass  # the client has disconnected or sent no HTTP: the connection is closed
    finally:
        await hang_up(writer)


async def _read_request(
    server: h11.Connection, reader: asyncio.StreamReader, secure: bool
) -> Request | None:
    """Read one whole request; None when the other side has ended."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = server.next_event()
        if event is h11.NEED_DATA:
            async with asyncio.timeout(IDLE):
                server.receive_data(await reader.read(CHUNK))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_BODY:
                return None
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _request(head, bytes(body), secure)
        else:
            return None


def _request(head: h11.Request, body: bytes, secure: bool) -> Request:
    path, _, query = head.target.decode("latin-1").partition("?")
    headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode(), path, query, headers, body, secure)


async def _send_reply(
    server: h11.Connection, writer: asyncio.StreamWriter, request: Request, reply: Reply
) -> None:
    headers = {**reply.headers, "content-length": str(len(reply.body))}
    head = h11.Response(status_code=reply.status, headers=list(headers.items()))
    parts: list[h11.Event] = [head]
    if request.method != "HEAD":
        parts.append(h11.Data(data=reply.body))
    parts.append(h11.EndOfMessage())
    for part in parts:
        writer.write(server.send(part) or b"")
    await writer.drain()

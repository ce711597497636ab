"""One HTTPS request over a connection of the private network."""

import asyncio
import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import h11

from localcloud.connections import hang_up


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply; `body` is its JSON, or None."""

    status: int
    text: str

    @property
    def body(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError:
            return None


async def get(
    connection: socket.socket,
    context: ssl.SSLContext,
    host: str,
    path: str,
    *,
    bearer: str = "",
    patience: float = 10.0,
) -> Reply:
    """Send one GET, read the whole reply, and close the connection.

    Raises:
        ssl.SSLError: the server's certificate is not for `host`, or of another authority.
        OSError: the connection broke, the answer is not HTTP, or `patience` seconds have passed.
    """
    async with asyncio.timeout(patience):
        reader, writer = await asyncio.open_connection(
            sock=connection, ssl=context, server_hostname=host
        )
        try:
            return await _exchange(reader, writer, host, path, bearer)
        except h11.ProtocolError as error:
            raise OSError(f"{host} does not answer in HTTP: {error}") from error
        finally:
            await hang_up(writer)


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    host: str,
    path: str,
    bearer: str,
) -> Reply:
    client = h11.Connection(h11.CLIENT)
    headers = [("Host", host), ("Accept", "application/json"), ("Connection", "close")]
    if bearer:
        headers.append(("Authorization", f"Bearer {bearer}"))
    request = client.send(h11.Request(method="GET", target=path, headers=headers))
    end = client.send(h11.EndOfMessage())
    writer.write((request or b"") + (end or b""))
    await writer.drain()
    status, body = 0, bytearray()
    while True:
        event = client.next_event()
        if event is h11.NEED_DATA:
            client.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return Reply(status, body.decode(errors="replace"))
        elif not isinstance(event, h11.InformationalResponse):
            raise OSError("the connection ended within a reply")

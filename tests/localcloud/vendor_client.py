"""The vendor's own client, pointed at a local cloud."""

import http.client
from typing import Any
from urllib.parse import urlsplit

from qingcloud.iaas.connection import APIConnection


class Connections:
    """A pool for the vendor's client that can be closed, unlike its own."""

    def __init__(self) -> None:
        self._idle: list[http.client.HTTPConnection] = []

    def get_conn(self, host: str, port: int) -> http.client.HTTPConnection | None:
        return self._idle.pop() if self._idle else None

    def put_conn(self, host: str, port: int, connection: http.client.HTTPConnection) -> None:
        self._idle.append(connection)

    def close(self) -> None:
        for connection in self._idle:
            connection.close()


def connect(url: str, key_id: str, secret: str, zone: str, pool: Connections) -> Any:
    """Return a client that sends every request once."""
    where = urlsplit(url)
    return APIConnection(
        key_id,
        secret,
        zone,
        host=where.hostname,
        port=where.port,
        protocol="http",
        pool=pool,
        retry_time=1,
    )

"""An API client over HTTPS, for API servers that are processes of their own."""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, urlencode

import h11

from localcloud.kubernetes.client.https_connection import Address, Connection
from localcloud.kubernetes.client.informer import key_of
from localcloud.kubernetes.client.interface import JSON
from localcloud.kubernetes.objects.failures import ApiFailure, unavailable

PATIENCE = 30.0  # seconds for a whole request
WATCH_SECONDS = 300  # after which the server ends a watch, and it is opened again
PAGE = 500  # objects in one answer to a list
AGAIN = 1.0  # seconds before a server that does not answer is asked again
KEPT_IDLE = 8  # connections

_PASSING = (429, 500, 503, 504)
"""Statuses that say nothing about the request: a watch waits and goes on."""

Obj = dict[str, Any]

log = logging.getLogger(__name__)


class HttpsClient:
    """Speaks to one API server, with the identity in the TLS settings' client certificate.

    Args:
        address: asked for each connection, as a server may come back elsewhere.
    """

    def __init__(self, address: Callable[[], Address], tls: ssl.SSLContext) -> None:
        self._address = address
        self._tls = tls
        self._idle: list[Connection] = []

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> Any:
        """Send one request; returns the decoded JSON, or text where the answer is none.

        It is sent once: after a lost connection the caller decides whether to look or to repeat.

        Raises:
            ApiFailure: the server refused it, or does not answer (503).
        """
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._exchange(method, _target(path, query), body, content_type)
        except (OSError, h11.ProtocolError) as error:  # a timeout is an OSError as well
            raise unavailable(f"the API server does not answer: {error}") from error

    async def watch(
        self, path: str, *, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[str, Obj]]:
        """List, then watch from there, for ever; see `ApiClient`."""
        known: dict[tuple[str, str], Obj] = {}
        version, synced = "", False
        while True:
            try:
                if not version:
                    listed, version = await self._list(path, query)
                    for change, obj in _news(known, listed):
                        yield change, obj
                    if not synced:
                        synced = True
                        yield "SYNCED", {}
                # Closed by us: left to itself, it would say goodbye to the server some time later.
                async with aclosing(self._follow(path, query, version)) as events:
                    async for change, obj in events:
                        version = obj["metadata"]["resourceVersion"]
                        if change == "BOOKMARK":
                            continue
                        known[key_of(obj)] = obj["metadata"]
                        if change == "DELETED":
                            del known[key_of(obj)]
                        yield change, obj
            except ApiFailure as failure:
                if failure.status == 410:
                    version = ""
                elif failure.status in _PASSING:
                    log.debug("watch of %s: %s", path, failure)
                    await asyncio.sleep(AGAIN)
                else:
                    raise

    async def close(self) -> None:
        """Close the connections that are kept for later requests."""
        for connection in self._idle:
            await connection.close()
        self._idle.clear()

    async def _exchange(self, method: str, target: str, body: Any, content_type: str) -> Any:
        connection = await self._kept() or await Connection.open(self._address(), self._tls)
        try:
            status, kind = await connection.send(method, target, body, content_type)
            content = b"".join([part async for part in connection.parts()])
        except BaseException:
            await connection.close()
            raise
        if connection.is_reusable() and len(self._idle) < KEPT_IDLE:
            self._idle.append(connection)
        else:
            await connection.close()
        answer = _decoded(content, kind)
        if status >= 400:
            raise _failure(status, answer)
        return answer

    async def _kept(self) -> Connection | None:
        """A connection of an earlier request that the server has not closed in between."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_ended():
                return connection
            await connection.close()
        return None

    async def _list(self, path: str, query: Mapping[str, str] | None) -> tuple[list[Obj], str]:
        """Read all pages; the objects know their kind, which the items of a list do not say."""
        items: list[Obj] = []
        asked = {**(query or {}), "limit": str(PAGE)}
        while True:
            page = await self.request("GET", path, query=asked)
            head = {"apiVersion": page["apiVersion"], "kind": page["kind"].removesuffix("List")}
            items += [{**head, **item} for item in page["items"]]
            if not page["metadata"].get("continue"):
                return items, page["metadata"]["resourceVersion"]
            asked["continue"] = page["metadata"]["continue"]

    async def _follow(
        self, path: str, query: Mapping[str, str] | None, version: str
    ) -> AsyncGenerator[tuple[str, Obj], None]:
        asked = {
            **(query or {}),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        connection = None
        try:
            async with asyncio.timeout(PATIENCE):
                connection = await Connection.open(self._address(), self._tls)
                status, kind = await connection.send("GET", _target(path, asked), None, JSON)
            if status >= 400:
                content = b"".join([part async for part in connection.parts()])
                raise _failure(status, _decoded(content, kind))
            async for event in _events(connection.parts()):
                if event["type"] == "ERROR":
                    raise _failure(int(event["object"].get("code", 500)), event["object"])
                yield event["type"], event["object"]
        except (OSError, h11.ProtocolError) as error:
            raise unavailable(f"the watch broke: {error}") from error
        finally:
            if connection:
                await connection.close()


async def _events(parts: AsyncIterator[bytes]) -> AsyncIterator[Obj]:
    """The lines of a watch, which end where they want and not where pieces do."""
    rest = b""
    async for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)


def _news(known: dict[tuple[str, str], Obj], listed: list[Obj]) -> list[tuple[str, Obj]]:
    """What a list tells to somebody who knew other objects; brings `known` up to date."""
    gone = {key: known[key] for key in known.keys() - {key_of(obj) for obj in listed}}
    for key in gone:
        del known[key]
    known |= {key_of(obj): obj["metadata"] for obj in listed}
    added = [("ADDED", obj) for obj in listed]
    return [*added, *(("DELETED", {"metadata": metadata}) for metadata in gone.values())]


def _target(path: str, query: Mapping[str, str] | None) -> str:
    target = quote(path, safe="/:@!$&'()*+,;=~")
    return f"{target}?{urlencode(query)}" if query else target


def _decoded(content: bytes, kind: str) -> Any:
    return json.loads(content) if kind.startswith(JSON) else content.decode(errors="replace")


def _failure(status: int, answer: Any) -> ApiFailure:
    """Read a refusal; proxies and health checks refuse without a Status object."""
    if not isinstance(answer, dict):
        return ApiFailure(status, "Unknown", str(answer).strip())
    details = answer.get("details") or {}
    return ApiFailure(
        status,
        answer.get("reason", "Unknown"),
        answer.get("message", ""),
        details,
        retry_after=details.get("retryAfterSeconds"),
    )

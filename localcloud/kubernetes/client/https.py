"""An API client over HTTPS, for API servers that are processes of their own."""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx

from localcloud.kubernetes.client.informer import key_of
from localcloud.kubernetes.client.interface import JSON
from localcloud.kubernetes.objects.failures import ApiFailure, unavailable

PATIENCE = 30.0  # seconds for a whole request
SILENCE = 330.0  # idle seconds after which a watch counts as broken
WATCH_SECONDS = 300  # after which the server ends a watch, and it is opened again
PAGE = 500  # objects in one answer to a list
AGAIN = 1.0  # seconds before a request to a server that does not answer is retried
KEPT_IDLE = 8  # connections

_PASSING = (429, 500, 503, 504)
"""Statuses of a temporary failure, after which a watch is retried."""

Obj = dict[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """The address of an API server, and the name in its certificate."""

    host: str
    port: int
    name: str


class HttpsClient:
    """A client of one API server, with the identity of its client certificate.

    Args:
        address: called for each connection, because a server may restart at another address.
    """

    def __init__(self, address: Callable[[], Address], tls: ssl.SSLContext) -> None:
        self._address = address
        self._tls = tls
        self._http = self._open()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> Any:
        """Send one request, and return the decoded JSON, or text where the answer is not JSON.

        It is sent once: after a lost connection the caller decides whether to read or to retry.

        Raises:
            ApiFailure: the server refused the request, or does not answer (503).
        """
        try:
            async with asyncio.timeout(PATIENCE):
                request = self._request(method, path, query, body, content_type)
                response = await self._http.send(request)
        except (OSError, httpx.TransportError) as error:  # a timeout is an OSError as well
            raise unavailable(f"the API server does not answer: {error}") from error
        if response.is_error:
            raise _failure(response)
        return _decoded(response)

    async def watch(
        self, path: str, *, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[str, Obj]]:
        """List, then watch; see `ApiClient`."""
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
                # Closed here, because otherwise the connection would stay open for some time.
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
        """Close all connections; later requests open new ones."""
        former, self._http = self._http, self._open()
        await former.aclose()

    def _open(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=self._tls,
            trust_env=False,  # a proxy of this machine does not reach the network
            timeout=SILENCE,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=KEPT_IDLE),
        )

    def _request(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, content_type: str
    ) -> httpx.Request:
        address = self._address()
        headers = {"Host": address.name, "Accept": JSON, "Accept-Encoding": "identity"}
        if body is not None:
            headers["Content-Type"] = content_type
        return self._http.build_request(
            method,
            httpx.URL(scheme="https", host=address.host, port=address.port, path=path),
            params=query,
            json=body,
            headers=headers,
            extensions={"sni_hostname": address.name},
        )

    async def _list(self, path: str, query: Mapping[str, str] | None) -> tuple[list[Obj], str]:
        """Read all pages, and add the kind to each object, which the items of a list lack."""
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
        try:
            async with asyncio.timeout(PATIENCE):
                request = self._request("GET", path, asked, None, JSON)
                response = await self._http.send(request, stream=True)
            async with aclosing(response):
                if response.is_error:
                    await response.aread()
                    raise _failure(response)
                async for event in _events(response.aiter_bytes()):
                    if event["type"] == "ERROR":
                        raise _refusal(int(event["object"].get("code", 500)), event["object"])
                    yield event["type"], event["object"]
        except (OSError, httpx.TransportError) as error:
            raise unavailable(f"the watch broke: {error}") from error


async def _events(parts: AsyncIterator[bytes]) -> AsyncIterator[Obj]:
    """Yield the lines of a watch, whatever the boundaries of the received parts.

    httpx would split lines at characters that JSON may contain.
    """
    rest = b""
    async for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)


def _news(known: dict[tuple[str, str], Obj], listed: list[Obj]) -> list[tuple[str, Obj]]:
    """Return the events between the known and the listed objects, and update `known`."""
    gone = {key: known[key] for key in known.keys() - {key_of(obj) for obj in listed}}
    for key in gone:
        del known[key]
    known |= {key_of(obj): obj["metadata"] for obj in listed}
    added = [("ADDED", obj) for obj in listed]
    return [*added, *(("DELETED", {"metadata": metadata}) for metadata in gone.values())]


def _decoded(response: httpx.Response) -> Any:
    is_json = response.headers.get("content-type", "").startswith(JSON)
    return response.json() if is_json else response.content.decode(errors="replace")


def _failure(response: httpx.Response) -> ApiFailure:
    """Return the failure of a response; proxies and health checks have no Status object."""
    answer = _decoded(response)
    if isinstance(answer, dict):
        return _refusal(response.status_code, answer)
    return ApiFailure(response.status_code, "Unknown", str(answer).strip())


def _refusal(status: int, answer: Obj) -> ApiFailure:
    details = answer.get("details") or {}
    return ApiFailure(
        status,
        answer.get("reason", "Unknown"),
        answer.get("message", ""),
        details,
        retry_after=details.get("retryAfterSeconds"),
    )

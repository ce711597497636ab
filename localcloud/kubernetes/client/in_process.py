"""The in-process client of the emulated API server, without connections."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from localcloud.kubernetes.access.users import User
from localcloud.kubernetes.api.calls import (
    JSON,
    Answer,
    Call,
    Content,
    Document,
    Listing,
    Watching,
    parse_path,
)
from localcloud.kubernetes.api.server import ApiServer
from localcloud.kubernetes.client.informer import key_of
from localcloud.kubernetes.objects.failures import bad_request, unavailable
from localcloud.kubernetes.objects.watching import Overflowed, Watch


class Gate:
    """Whether the API server is running; watches wait while it is not."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._watches: set[Watch] = set()

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    def open(self) -> None:
        self._open.set()

    def close(self) -> None:
        """Stop serving, and end every watch."""
        self._open.clear()
        for watch in tuple(self._watches):
            watch.close()

    async def wait(self) -> None:
        await self._open.wait()

    def enter(self, watch: Watch) -> None:
        self._watches.add(watch)

    def leave(self, watch: Watch) -> None:
        """End one watch."""
        watch.close()
        self._watches.discard(watch)


class InProcessClient:
    """Calls the handlers directly. Arguments and results are copies.

    Only watches yield the stored objects: with a copy for each watch, a pod would be in memory four
    times.
    """

    def __init__(self, server: ApiServer, gate: Gate, user: User) -> None:
        self._server = server
        self._gate = gate
        self._user = user

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> Any:
        if not self._gate.is_open:
            raise unavailable("the API server does not answer")
        call = Call(self._user, method, path, query or {}, body, content_type)
        target = parse_path(path)
        if target is None or target.is_proxied or self._server.is_aggregated(path):
            return _decoded(await self._server.handle(call))
        return _decoded(self._server.answer(call, target))

    async def watch(
        self, path: str, *, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        known: dict[tuple[str, str], dict[str, Any]] = {}
        call = Call(self._user, "GET", path, {**(query or {}), "watch": "true"})
        target = parse_path(path)
        if target is None:
            raise bad_request(f"{path} cannot be watched")
        synced = False
        while True:
            await self._gate.wait()
            answer = self._server.answer(call, target)
            assert isinstance(answer, Watching)
            self._gate.enter(answer.watch)
            try:
                gone = dict(known)
                for stored in answer.first:
                    body = stored.body
                    gone.pop(key_of(body), None)
                    known[key_of(body)] = body["metadata"]
                    yield "ADDED", body
                for key, metadata in gone.items():
                    del known[key]
                    yield "DELETED", {"metadata": metadata}
                if not synced:
                    synced = True
                    yield "SYNCED", {}
                while event := await answer.watch.next():
                    body = event.object.body
                    known[key_of(body)] = body["metadata"]
                    if event.type == "DELETED":
                        del known[key_of(body)]
                    yield event.type.value, body
            except Overflowed:
                continue  # as after an outage: list again, and report deletions
            finally:
                self._gate.leave(answer.watch)


def _decoded(answer: Answer) -> Any:
    match answer:
        case Document(stored=stored):
            return stored.copy()
        case Listing(kind=kind, items=items):
            metadata: dict[str, Any] = {"resourceVersion": str(answer.version)}
            if answer.token:
                metadata["continue"] = answer.token
            return {
                "apiVersion": kind.api_version,
                "items": [item.copy() for item in items],
                "kind": f"{kind.kind}List",
                "metadata": metadata,
            }
        case Content(body=body):
            return body.decode(errors="replace")
    raise bad_request("a watch is read with `watch`, not with `request`")

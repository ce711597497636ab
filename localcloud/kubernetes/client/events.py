"""Events about objects, as `kubectl describe` shows them; repetitions are counted."""

import asyncio
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass
from itertools import count
from typing import Any

from localcloud.clock import Clock, stamp
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import EVENT, Kind

REMEMBERED = 4096  # events whose repetitions are counted
QUEUED = 10_000  # events waiting to be written; further ones are dropped, as upstream

log = logging.getLogger(__name__)

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Note:
    """One event of an object, to be written."""

    kind: Kind
    obj: dict[str, Any]
    reason: str
    message: str
    warning: bool


class EventRecorder:
    """Writes events in the background, so that recording neither waits nor fails."""

    def __init__(self, api: ApiClient, clock: Clock, component: str, host: str = "") -> None:
        self._api = api
        self._clock = clock
        self._source = {"component": component} | ({"host": host} if host else {})
        self._queue: deque[Note] = deque(maxlen=QUEUED)
        self._filled = asyncio.Event()
        self._seen: OrderedDict[tuple[str, str, str], tuple[str, str, int]] = OrderedDict()

    def record(
        self, kind: Kind, obj: dict[str, Any], reason: str, message: str, *, warning: bool = False
    ) -> None:
        """Queue an event about an object."""
        self._queue.append(Note(kind, obj, reason, message, warning))
        self._filled.set()

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            await self._filled.wait()
            while self._queue:
                await self._write(self._queue.popleft())
                await asyncio.sleep(0)
            self._filled.clear()

    async def _write(self, note: Note) -> None:
        meta = note.obj["metadata"]
        about = (meta.get("uid", meta["name"]), note.reason, note.message)
        try:
            if about in self._seen:
                await self._repeat(about)
            else:
                await self._create(about, note)
        except (ApiFailure, OSError) as failure:
            self._seen.pop(about, None)
            log.debug("event %s about %s: %s", note.reason, meta["name"], failure)

    async def _repeat(self, about: tuple[str, str, str]) -> None:
        namespace, name, times = self._seen[about]
        self._seen[about] = (namespace, name, times + 1)
        self._seen.move_to_end(about)
        body = {"count": times + 1, "lastTimestamp": stamp(self._clock.now())}
        path = EVENT.path(namespace, name)
        await self._api.request(
            "PATCH", path, body=body, content_type="application/merge-patch+json"
        )

    async def _create(self, about: tuple[str, str, str], note: Note) -> None:
        now = self._clock.now()
        meta = note.obj["metadata"]
        namespace = meta.get("namespace") or "default"
        # As upstream: the time in nanoseconds, whose last digits make it unique.
        name = f"{meta['name']}.{int(now.timestamp()) * 10**9 + next(_numbers):016x}"
        self._seen[about] = (namespace, name, 1)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        await self._api.request(
            "POST", EVENT.path(namespace), body=self._body(note, namespace, name, stamp(now))
        )

    def _body(self, note: Note, namespace: str, name: str, now: str) -> dict[str, Any]:
        meta = note.obj["metadata"]
        involved = {
            "apiVersion": note.kind.api_version,
            "kind": note.kind.kind,
            "name": meta["name"],
            "uid": meta.get("uid", meta["name"]),
        }
        if meta.get("namespace"):
            involved["namespace"] = meta["namespace"]
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved,
            "reason": note.reason,
            "message": note.message,
            "source": self._source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": "Warning" if note.warning else "Normal",
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
        }

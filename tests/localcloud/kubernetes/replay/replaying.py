"""Sends the requests of the recording to an emulated cluster, in their order.

The world of the emulated cluster turns only between requests, and not before it must: a read is
asked again, one turn of the event loop later, until it has the recorded answer or nothing moves
any more. So states that were recorded half-way are met half-way here as well.
"""

import asyncio
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from localcloud.kubernetes.api.app import App
from tests.localcloud.kubernetes.replay.asking import Answer, Request, ask
from tests.localcloud.kubernetes.replay.comparing import differences, lasting, stories
from tests.localcloud.kubernetes.sample_cluster import MovableClock, settle

CASES = Path(__file__).parents[3] / "cases" / "kubernetes"
RECORDING = CASES / "recordings-1.36.jsonl.gz"

TURNS = 150
"""Turns of the event loop after which all tasks have done their work."""


def _typed(name: str, replicas: int) -> dict[str, Any]:
    """Return the body of `kubectl create deployment`; the recording has its length only."""
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "nginx", "image": "nginx", "resources": {}}]},
    }
    wanted = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name, "labels": labels}, "spec": wanted}


_UNREADABLE_REQUESTS = {205: _typed("web", 4), 197: _typed("d", 3)}
"""By length of the protobuf that was sent."""


@dataclass(frozen=True)
class Exchange:
    """One request, and the answer of the real server."""

    number: int
    scenario: str
    request: dict[str, Any]
    response: dict[str, Any]

    @property
    def title(self) -> str:
        return f"{self.request['method']} {self.request['path']}"

    @property
    def is_read(self) -> bool:
        return self.request["method"] == "GET"

    @property
    def is_watch(self) -> bool:
        return parse_qs(urlsplit(self.request["path"]).query).get("watch", [""])[0] in ("true", "1")

    @property
    def is_readable(self) -> bool:
        """Return whether the recording has the content of the body."""
        body = self.response["body"]
        if isinstance(body, dict) and body.keys() <= {"binary_bytes", "omitted_bytes"}:
            return False
        return "protobuf" not in (self.response["content_type"] or "")


def read_exchanges() -> list[Exchange]:
    """Return every exchange of the recording, numbered from 0."""
    with gzip.open(RECORDING, "rt", encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    return [
        Exchange(number, entry["scenario"], entry["request"], entry["response"])
        for number, entry in enumerate(entries)
    ]


class Replay:
    """A client that repeats recorded requests with the names of this run."""

    def __init__(self, app: App, clock: MovableClock) -> None:
        self._app = app
        self._clock = clock
        self._names: dict[str, str] = {}
        self._versions: dict[str, str] = {}
        self._tags: dict[str, str] = {}

    async def compare(self, exchange: Exchange) -> list[str]:
        """Repeat one exchange, and return the places in which the answers differ."""
        if not exchange.is_read:
            await settle(TURNS)
            answer = await self._send(exchange)
            self._learn(exchange, answer)
            return list(self._differences(exchange, answer))
        for turn in range(TURNS):
            answer = await self._send(exchange)
            found = list(self._differences(exchange, answer))
            if not found:
                break
            await asyncio.sleep(0)
            if turn % 100 == 99:
                await self._clock.advance(1)
        self._learn(exchange, answer)
        return found

    async def _send(self, exchange: Exchange) -> Answer:
        request = exchange.request
        path, _, query = self._translated(request["path"]).partition("?")
        headers = {"accept": request["accept"], "content-type": request["content_type"]}
        if exchange.response["status"] == 304:
            headers["if-none-match"] = self._tags[path]
        body = request["body"]
        if isinstance(body, dict) and "binary_bytes" in body:
            body = _UNREADABLE_REQUESTS[body["binary_bytes"]]
            headers["content-type"] = "application/json"
        if body is not None and not isinstance(body, str):
            body = self._translated(json.dumps(body))
        asked = Request(request["method"], path, query, headers, body or "", exchange.is_watch)
        answer = await ask(self._app, asked)
        if tag := answer.headers.get("etag"):
            self._tags[path] = tag
        return answer

    def _differences(self, exchange: Exchange, answer: Answer) -> Iterator[str]:
        recorded = exchange.response
        if answer.status != recorded["status"]:
            yield f"status: {answer.status} instead of {recorded['status']}"
        if not exchange.is_readable:
            return
        kind = recorded["content_type"]
        if recorded["status"] != 304 and answer.headers["content-type"] != kind:
            yield f"content type: {answer.headers['content-type']} instead of {kind}"
        there, here = recorded["body"], answer.content()
        if exchange.is_watch:
            events = there.get("stream", [there])
            yield from differences(stories(events), stories(_as_list(here)))
        else:
            yield from differences(lasting(_lines(there)), lasting(_lines(here)), "body")

    # Names

    def _translated(self, text: str) -> str:
        """Replace names, uids and versions of the recording by those of this run."""
        # The longest first: the name of a ReplicaSet begins those of its pods.
        for recorded in sorted(self._names, key=len, reverse=True):
            text = text.replace(recorded, self._names[recorded])

        def version(match: re.Match[str]) -> str:
            return match[1] + self._versions.get(match[2], match[2])

        text = re.sub(r"(\bresourceVersion=)(\d+)", version, text)
        return re.sub(r'(/metadata/resourceVersion", "value": ")(\d+)', version, text)

    def _learn(self, exchange: Exchange, answer: Answer) -> None:
        if exchange.is_readable and answer.status == exchange.response["status"]:
            self._pair(exchange.response["body"], answer.content())

    def _pair(self, recorded: Any, here: Any) -> None:
        if isinstance(recorded, list) and isinstance(here, list):
            for one, other in _partners(recorded, here):
                self._pair(one, other)
        if not (isinstance(recorded, dict) and isinstance(here, dict)):
            return
        for key, value in recorded.items():
            if key == "resourceVersion" and isinstance(here.get(key), str):
                self._versions[value] = here[key]
            elif key in ("uid", "name") and isinstance(value, str) and value != here.get(key):
                self._names.setdefault(value, here.get(key, value))
            else:
                self._pair(value, here.get(key))


def _partners(recorded: list[Any], here: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Pair the entries of two lists that are equal except for names."""
    left = list(here)
    for one in recorded:
        for other in left:
            if lasting(one) == lasting(other):
                left.remove(other)
                yield one, other
                break


def _lines(content: Any) -> Any:
    return content.splitlines() if isinstance(content, str) else content


def _as_list(content: Any) -> list[Any]:
    if content is None:
        return []
    return content if isinstance(content, list) else [content]

"""Requests to the API server's application without sockets, so that no other task runs between."""

import asyncio
import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from localcloud.kubernetes.access.users import User
from localcloud.kubernetes.api.app import App

ADMIN = User("kubernetes-admin", ("kubeadm:cluster-admins", "system:authenticated"))


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: str
    headers: Mapping[str, str | None]
    body: str
    is_watch: bool

    def scope(self) -> dict[str, Any]:
        named = self.headers.items()
        return {
            "type": "http",
            "method": self.method,
            "path": self.path,
            "query_string": self.query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in named if value],
            "state": {"user": ADMIN},
        }


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    warnings: list[str]

    def content(self) -> Any:
        """Return the decoded body: an object, a text, or the events of a watch."""
        if not self.headers.get("content-type", "").startswith("application/json"):
            return self.body.decode() or None
        lines = self.body.splitlines()
        if len(lines) > 1 and self.body.startswith(b'{"type"'):
            return [json.loads(line) for line in lines]
        return json.loads(self.body) if self.body else None


async def ask(app: App, request: Request) -> Answer:
    """Send one request; of a watch, read the events that are ready."""
    sent: list[MutableMapping[str, Any]] = []
    bodies = [request.body.encode()]
    heard_enough = asyncio.Event()

    async def receive() -> MutableMapping[str, Any]:
        if bodies:
            return {"type": "http.request", "body": bodies.pop()}
        await heard_enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and request.is_watch:
            heard_enough.set()

    await app(request.scope(), receive, send)
    head, *parts = sent
    content = b"".join(part.get("body", b"") for part in parts)
    headers = {name.decode(): value.decode() for name, value in head["headers"]}
    warnings = [value.decode() for name, value in head["headers"] if name == b"warning"]
    return Answer(head["status"], headers, content, warnings)


@dataclass
class Sender:
    """Sends requests as a client on the wire does."""

    runner: asyncio.Runner
    app: App

    def __call__(
        self, method: str, path: str, body: Any = None, *, query: str = "", media: str = ""
    ) -> Answer:
        text = "" if body is None else json.dumps(body)
        watching = "watch=true" in query
        request = Request(method, path, query, {"content-type": media}, text, is_watch=watching)
        return self.runner.run(ask(self.app, request))

    def refused(self, *arguments: Any, **options: Any) -> tuple[int, str]:
        answer = self(*arguments, **options)
        assert answer.status >= 400
        return answer.status, answer.content()["message"]

"""The API server's HTTP layer, as a bare ASGI application."""

import hashlib
import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from localcloud.kubernetes.access.impersonation import acting_user
from localcloud.kubernetes.access.rbac import Access, refusal
from localcloud.kubernetes.access.users import ANONYMOUS, User
from localcloud.kubernetes.api import discovery, openapi, render
from localcloud.kubernetes.api.bodies import decode, receive_all
from localcloud.kubernetes.api.calls import (
    JSON,
    Call,
    Content,
    Document,
    Listing,
    Watching,
    parse_path,
)
from localcloud.kubernetes.api.deprecated import DeprecatedApis
from localcloud.kubernetes.api.render import JSON_TYPE, Renderer
from localcloud.kubernetes.api.server import ApiServer
from localcloud.kubernetes.api.streaming import Message, Receive, Send, send_content, stream
from localcloud.kubernetes.api.write_options import WARN
from localcloud.kubernetes.objects.failures import ApiFailure, no_such_path
from localcloud.kubernetes.objects.kinds import find_kind
from localcloud.kubernetes.objects.store import encode

Scope = Message

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

READING = ("GET", "HEAD", "OPTIONS")

log = logging.getLogger(__name__)


class App:
    """Authenticates users, decodes bodies, negotiates formats, streams watches."""

    def __init__(
        self,
        server: ApiServer,
        version: str,
        address: str,
        settle: Callable[[], None] = lambda: None,
        check_store: Callable[[], None] = lambda: None,
    ) -> None:
        """Create the layer over a server.

        Args:
            settle: puts all changes on the disk; called before a change is answered.
            check_store: raises `ApiFailure` while objects can neither be read nor written.
        """
        self._server = server
        self._settle = settle
        self._check_store = check_store
        self._version = _version(version)
        self._address = address
        self._deprecated = DeprecatedApis()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            user = self._authenticate(headers, scope["state"].get("user"))
            user = acting_user(user, scope["headers"], self._server.authorizer)
            query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
            query.setdefault("fieldValidation", WARN)
            answer = self._static(scope, headers, user)
            if answer is None:
                self._check_store()
                call = await self._read(scope, headers, query, user, receive)
                answer = await self._answer(call, headers, receive, send)
                if call.method not in READING:
                    self._settle()
        except ApiFailure as error:
            answer = render.failure(error)
        except Exception:
            log.exception("%s %s", scope["method"], scope["path"])
            answer = render.failure(ApiFailure(500, "InternalError", "an unexpected error"))
        if answer is not None:
            await send_content(send, answer, with_body=scope["method"] != "HEAD")

    def _authenticate(self, headers: dict[str, str], by_certificate: User | None) -> User:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            user = self._server.tokens.find_user(token.strip())
            if user is None:
                raise ApiFailure(401, "Unauthorized", "Unauthorized")
            return user
        return by_certificate or ANONYMOUS

    # Paths outside the resource API

    def _static(self, scope: Scope, headers: dict[str, str], user: User) -> Content | None:
        """Answer discovery, health, version and OpenAPI; return None for other paths."""
        path: str = scope["path"]
        if parse_path(path) is not None:
            return None
        access = Access(scope["method"].lower().replace("head", "get"), path=path)
        if self._server.authorizer.reason(user, access) is None:
            raise refusal(user, access)
        if path in ("/healthz", "/livez", "/readyz"):
            self._check_store()
            verbose = b"verbose" in scope["query_string"]
            text = f"[+]ping ok\n{path[1:]} check passed\n" if verbose else "ok"
            return Content(text.encode())
        if path == "/metrics":
            return Content(self._deprecated.render().encode(), content_type=METRICS_TYPE)
        if path.rstrip("/") == "/version":
            return Content(json.dumps(self._version, indent=2).encode(), 200, JSON_TYPE)
        if path.startswith("/openapi"):
            return _openapi(path, headers)
        return self._discovery(path.rstrip("/"), headers)

    def _discovery(self, path: str, headers: dict[str, str]) -> Content:
        form = discovery.aggregated_version(headers.get("accept", ""))
        if form and path in ("/api", "/apis"):
            return _kept(*discovery.aggregated(path, form, self._server.served), headers)
        body = discovery.find(path, self._address, self._server.served)
        if body is None:
            return _missing()
        return Content(encode(body), 200, JSON_TYPE)

    # The resource API

    async def _read(
        self,
        scope: Scope,
        headers: dict[str, str],
        query: dict[str, str],
        user: User,
        receive: Receive,
    ) -> Call:
        content = await receive_all(receive)
        media_type = headers.get("content-type", "").partition(";")[0].strip() or JSON
        target = parse_path(scope["path"])
        if target is not None:
            self._deprecated.note(target)
        kind = find_kind(target.group, target.version, target.resource) if target else None
        body: Any = None  # the body of a kind that is not emulated is not read
        if target is not None and target.is_proxied:
            body = content
        elif kind is not None:
            body = decode(content, media_type, kind.kind)
        return Call(user, scope["method"], scope["path"], query, body, media_type)

    async def _answer(
        self, call: Call, headers: dict[str, str], receive: Receive, send: Send
    ) -> Content | None:
        renderer = Renderer(
            headers.get("accept", ""),
            call.query.get("includeObject", ""),
            self._server.registry.clock.now,
        )
        match await self._server.handle(call):
            case Document() as answer:
                return renderer.document(answer)
            case Listing() as answer:
                return renderer.listing(answer)
            case Watching() as answer:
                await stream(answer, self._server.store, renderer, receive, send)
                return None
            case Content() as answer:
                return answer


def _openapi(path: str, headers: dict[str, str]) -> Content:
    match path.removeprefix("/openapi"):
        case "/v2":
            return Content(openapi.V2, content_type=openapi.V2_TYPE)
        case "/v3":
            return _kept(openapi.index(), JSON_TYPE, headers)
        case other if other.startswith("/v3/"):
            content = openapi.find(other.removeprefix("/v3"))
            return _kept(content, JSON_TYPE, headers) if content else _missing()
    return _missing()


def _missing() -> Content:
    return render.failure(no_such_path())


def _kept(content: bytes, media_type: str, headers: dict[str, str]) -> Content:
    """Return a cacheable document: 304 for clients that have it."""
    tag = f'"{hashlib.sha256(content).hexdigest().upper()}"'
    known = (("etag", tag), ("vary", "Accept"))
    if headers.get("if-none-match") == tag:
        return Content(b"", 304, media_type, known)
    return Content(content, 200, media_type, known)


def _version(version: str) -> dict[str, str]:
    major, minor, *_ = version.removeprefix("v").split(".")
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": version,
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "emulated",
        "compiler": "python",
        "platform": "linux/amd64",
    }

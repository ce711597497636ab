"""The API on the wire: a bare ASGI application, strict where public clients are picky."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from localcloud.iaas.service import Iaas

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

PATHS = frozenset({"/iaas", "/iaas/"})
LARGEST_BODY = 8 * 1024 * 1024
LONGEST_HEAD = 256 * 1024
"""Bytes of request line and headers that the server must take; userdata travels in the URL."""

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: a public client reuses one for up to 65 s."""


def iaas_app(iaas: Iaas) -> Asgi:
    """Serve the API on `/iaas` and `/iaas/`, by GET and by POST form."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        verb, path = scope["method"], scope["path"]
        if path not in PATHS or verb not in ("GET", "POST"):
            await respond(send, 404, {"message": f"nothing answers to {verb} {path}"})
            return
        body = await read_body(receive)
        if body is None:
            await respond(send, 413, {"message": "the request is too large"})
            return
        text = scope["query_string"].decode("latin-1")
        pairs = [*_decode(text), *(_decode(body.decode("latin-1")) if verb == "POST" else ())]
        await respond(send, 200, iaas.handle(verb, path, pairs))

    return app


def _decode(text: str) -> list[tuple[str, str]]:
    # Blank values are kept: they are signed, and an empty `eip` has a meaning.
    return parse_qsl(text, keep_blank_values=True, max_num_fields=10_000)


async def read_body(receive: Receive) -> bytes | None:
    """Read a whole body, chunked or not; None when it is larger than anybody needs."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def respond(send: Send, status: int, document: Any) -> None:
    """Answer JSON. The header is exact: one public client ignores a body with any other."""
    body = json.dumps(document, ensure_ascii=False).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""The API on the wire: a bare ASGI application, strict where public clients are picky."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from localcloud.iaas.errors import BadParameter
from localcloud.iaas.service import Iaas, Reply

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

CUT = "localcloud.cut"
"""The ASGI extension by which an application closes its connection without an answer."""

PATHS = frozenset({"/iaas", "/iaas/"})
MOST_PARAMETERS = 10_000
LARGEST_BODY = 8 * 1024 * 1024
LONGEST_HEAD = 256 * 1024
"""Bytes of request line and headers to accept; userdata is sent in the URL."""

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept; a public client reuses one for up to 65 s."""


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
        try:
            pairs = [*_decode(text), *(_decode(body.decode("latin-1")) if verb == "POST" else ())]
        except ValueError:
            refusal = BadParameter(f"more than [{MOST_PARAMETERS}] parameters")
            await respond(send, 200, {"ret_code": refusal.ret_code, "message": str(refusal)})
            return
        reply = await iaas.answer(verb, path, pairs)
        if reply is None:
            await cut(scope, receive)
        else:
            await _send_reply(send, reply)

    return app


async def _send_reply(send: Send, reply: Reply) -> None:
    match reply.form:
        case "json":
            await respond(send, 200, reply.document)
        case "gateway":
            await send_body(send, 502, b"<html>502 Bad Gateway</html>", b"text/html")
        case "empty":
            await send_body(send, 200, b"")
        case "text":
            await send_body(send, 200, b"the local cloud says something else", b"text/plain")


def _decode(text: str) -> list[tuple[str, str]]:
    # Blank values are kept: they are signed, and an empty `eip` has a meaning.
    return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)


async def read_body(receive: Receive) -> bytes | None:
    """Read a whole body, chunked or not; None when it is larger than any valid request."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def cut(scope: Scope, receive: Receive) -> None:
    """Close the connection without an answer, and wait until it is closed."""
    scope["extensions"][CUT]()
    await receive()


async def respond(send: Send, status: int, document: Any) -> None:
    """Send JSON. The header is exact: one public client ignores a body with any other."""
    await send_body(send, status, json.dumps(document, ensure_ascii=False).encode())


async def send_body(
    send: Send, status: int, body: bytes, content_type: bytes = b"application/json"
) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

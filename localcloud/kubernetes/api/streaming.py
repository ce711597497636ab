"""Sending answers: whole ones, and watches until the client disconnects."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from localcloud.kubernetes.api import render
from localcloud.kubernetes.api.calls import Content, Watching
from localcloud.kubernetes.api.render import JSON_TYPE, Renderer
from localcloud.kubernetes.objects.failures import expired
from localcloud.kubernetes.objects.store import Store
from localcloud.kubernetes.objects.watching import Overflowed

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LONGEST_WATCH = 3600.0  # seconds
BOOKMARK_INTERVAL = 60.0  # seconds without an event


async def send_content(send: Send, answer: Content, *, with_body: bool = True) -> None:
    """Send a whole answer; without the body for HEAD."""
    size = ("content-length", str(len(answer.body)))
    headers = answer.headers if answer.status == 304 else (*answer.headers, size)
    await send(_start(answer.status, answer.content_type, headers))
    body = answer.body if with_body else b""
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def stream(
    answer: Watching, store: Store, renderer: Renderer, receive: Receive, send: Send
) -> None:
    """Send events until the client disconnects, the time is over, or the server stops."""
    watch = answer.watch
    leaving = asyncio.ensure_future(_close_when_left(receive, watch.close))
    try:
        await send(_start(200, JSON_TYPE, ()))
        # Even an empty part sends the head, which confirms the connection to the client.
        await send(_part(_first(answer, store, renderer)))
        await _follow(answer, store, renderer, send)
    except Overflowed:
        lost = expired("the watch fell too far behind")
        await send(_part([render.failure_event(lost)]))
    finally:
        watch.close()
        leaving.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _first(answer: Watching, store: Store, renderer: Renderer) -> list[bytes]:
    """Return the lines of a watch's initial objects, or of its failure."""
    if answer.failure:
        answer.watch.close()
        return [render.failure_event(answer.failure)]
    lines = [renderer.event(answer.kind, "ADDED", stored) for stored in answer.first]
    if answer.marks_end_of_first:
        lines.append(renderer.bookmark(answer.kind, store.version, ends_first=True))
    return lines


async def _follow(answer: Watching, store: Store, renderer: Renderer, send: Send) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (answer.seconds or LONGEST_WATCH)
    while not answer.watch.closed:
        remaining = deadline - loop.time()
        if remaining <= 0:
            return
        lines = await _gather(answer, renderer, min(remaining, BOOKMARK_INTERVAL))
        if not lines and answer.bookmarks and not answer.watch.closed:
            lines = [renderer.bookmark(answer.kind, store.version)]
        if lines:
            await send(_part(lines))


async def _gather(answer: Watching, renderer: Renderer, seconds: float) -> list[bytes]:
    """Wait for an event, and return it with all others that are ready."""
    lines: list[bytes] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            event = await answer.watch.next()
            while event is not None:
                lines.append(renderer.event(answer.kind, event.type, event.object))
                event = answer.watch.take()
    return lines


async def _close_when_left(receive: Receive, close: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    close()


def _start(status: int, media_type: str, headers: tuple[tuple[str, str], ...]) -> Message:
    pairs = [("content-type", media_type), *headers]
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    return {"type": "http.response.start", "status": status, "headers": encoded}


def _part(lines: list[bytes]) -> Message:
    return {"type": "http.response.body", "body": b"".join(lines), "more_body": True}

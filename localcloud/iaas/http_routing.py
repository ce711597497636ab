"""HTTP listeners: read the head of a request, choose a backend, forward the request.

Each request is balanced by itself: the forwarded head asks the backend to close the connection
after its answer, and the client connects again for the next request.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from localcloud.iaas.balancer_records import Backend, Policy, PolicyInForce, PolicyRule

END = b"\r\n\r\n"
OF_ONE_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection"})
UPGRADE = b"upgrade"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
NO_BACKEND = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class BadHead(Exception):
    """The input is not an HTTP request, or its head is too long."""


@dataclass(frozen=True, slots=True)
class Head:
    """The request line and the headers; `host` is without a port, `path` with its query."""

    request_line: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    host: str
    path: str

    def passed_on(self, more: Iterable[tuple[str, str]]) -> bytes:
        """Return the head for the backend, with further headers."""
        lines = [self.request_line]
        lines += [b"%s: %s" % one for one in self.headers if one[0].lower() not in OF_ONE_HOP]
        lines += [f"{name}: {value}".encode() for name, value in more]
        lines.append(b"Connection: upgrade" if self._upgrades() else b"Connection: close")
        return b"\r\n".join(lines) + END

    def _upgrades(self) -> bool:
        return any(name.lower() == UPGRADE for name, _ in self.headers)


async def read_head(reader: asyncio.StreamReader, most: int) -> Head:
    """Read one head of at most `most` bytes. Raises `BadHead`."""
    try:
        text = await reader.readuntil(END)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise BadHead("no end of the headers") from error
    if len(text) > most:
        raise BadHead(f"{len(text)} bytes of headers")
    first, *rest = text.removesuffix(END).split(b"\r\n")
    words = first.split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        raise BadHead("no request line")
    headers = tuple(_read_header(line) for line in rest)
    host = next((value for name, value in headers if name.lower() == b"host"), b"")
    return Head(first, headers, host.decode("latin-1").split(":")[0], words[1].decode("latin-1"))


def _read_header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name or name != name.strip():
        raise BadHead("a line that is no header")
    return name, value.strip()


def choose(
    backends: Iterable[Backend], head: Head, policies: Mapping[str, Policy]
) -> tuple[Backend, ...]:
    """Return the backends whose policy matches a request, or else those without a policy."""
    candidates = tuple(backends)
    matching = tuple(
        backend
        for backend in candidates
        if (policy := policies.get(backend.policy_id)) and matches(policy.applied, head)
    )
    return matching or tuple(backend for backend in candidates if not backend.policy_id)


def matches(policy: PolicyInForce, head: Head) -> bool:
    """Return whether a request matches the rules in force; False without rules."""
    fits = [_fits(rule, head) for rule in policy.rules]
    return all(fits) and bool(fits) if policy.operator == "and" else any(fits)


def _fits(rule: PolicyRule, head: Head) -> bool:
    text = head.host if rule.type == "domain" else head.path
    return re.search(rule.val, text) is not None

"""Sticky sessions: a cookie names the backend of a client's earlier requests."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from localcloud.iaas.errors import BadParameter, NotEmulated
from localcloud.iaas.http_routing import END, Head

FORMS = re.compile(
    r"(?i:insert)(\|(?P<made>[\w.-]+))?\|(?P<seconds>\d{1,9})|(?i:prefix)\|(?P<own>[\w.-]+)",
    re.ASCII,
)
NOT_EMULATED = ("rewrite", "backend")
DEFAULT_COOKIE = "lb-session"  # the real name is not published
MARKED = re.compile(rb"(?P<backend>lbb-[0-9a-z]+)~(?P<value>.*)")


@dataclass(frozen=True, slots=True)
class Stickiness:
    """How a listener recognizes its clients.

    Attributes:
        cookie: the name of the cookie.
        seconds: lifetime of the cookie; 0 for a session cookie.
        marks: whether the cookie is the backend's own, and the balancer adds a prefix to its value.
    """

    cookie: bytes
    seconds: int
    marks: bool

    def known(self, head: Head) -> str:
        """Return the backend id in a request's cookie; empty for none."""
        for pair in _cookies(head):
            name, _, value = pair.partition(b"=")
            if name == self.cookie:
                found = MARKED.fullmatch(value) if self.marks else None
                return (found["backend"] if found else value).decode("latin-1")
        return ""

    def clean(self, head: Head) -> Head:
        """Remove the balancer's own cookie from a request."""
        headers = []
        for name, value in head.headers:
            if name.lower() == b"cookie":
                value = b"; ".join(self._clean(_split(value)))
            if value or name.lower() != b"cookie":
                headers.append((name, value))
        return replace(head, headers=tuple(headers))

    def _clean(self, pairs: Iterable[bytes]) -> Iterator[bytes]:
        for pair in pairs:
            name, _, value = pair.partition(b"=")
            if name != self.cookie:
                yield pair
            elif self.marks:
                found = MARKED.fullmatch(value)
                yield name + b"=" + (found["value"] if found else value)

    def mark(self, head: bytes, backend_id: str, known: str) -> tuple[bytes, bool]:
        """Add the backend's cookie to the head of a reply, unless the client has it.

        Returns:
            The head, and whether it is the final one: an interim head is not changed.
        """
        if is_interim(head):
            return head, False
        return self._mark(head, backend_id, known), True

    def _mark(self, head: bytes, backend_id: str, known: str) -> bytes:
        if self.marks:
            pattern = rb"(?i)(\r\nset-cookie: *)(" + re.escape(self.cookie) + rb")="
            return re.sub(pattern, rb"\g<1>\g<2>=" + backend_id.encode() + b"~", head)
        if backend_id == known:
            return head
        kept = f"; Max-Age={self.seconds}" if self.seconds else ""
        value = self.cookie + f"={backend_id}; Path=/{kept}".encode()
        return head.removesuffix(END) + b"\r\nSet-Cookie: " + value + END


def read_stickiness(text: str) -> Stickiness | None:
    """Read the API's `session_sticky`; None for an empty text.

    Raises:
        Refusal: it is malformed, or not emulated.
    """
    if not text:
        return None
    if text.split("|")[0].lower() in NOT_EMULATED:
        raise NotEmulated(f"sticky sessions by [{text}]")
    form = FORMS.fullmatch(text)
    if form is None:
        raise BadParameter(
            f"session_sticky [{text}] should be insert|seconds, insert|cookie|seconds "
            "or prefix|cookie"
        )
    cookie = form["own"] or form["made"] or DEFAULT_COOKIE
    return Stickiness(cookie.encode(), int(form["seconds"] or 0), marks=bool(form["own"]))


def is_interim(head: bytes) -> bool:
    """Return whether the head is interim (1xx): the final one follows."""
    return head[9:10] == b"1" and head[9:12] != b"101"


def _cookies(head: Head) -> Iterator[bytes]:
    for name, value in head.headers:
        if name.lower() == b"cookie":
            yield from _split(value)


def _split(cookies: bytes) -> list[bytes]:
    return [pair.strip() for pair in cookies.split(b";") if pair.strip()]

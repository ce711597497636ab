"""One HTTP request to a pod and its reply, as plain records."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

ReadApi = Callable[[str, str], Awaitable[tuple[int, Any]]]
"""Reads (path, bearer token) from the Kubernetes API; returns the HTTP status and the object."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str  # without the query
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    secure: bool = False  # it came over TLS


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @classmethod
    def html(cls, status: int, page: str, headers: Mapping[str, str] | None = None) -> "Reply":
        """Make a reply of an HTML page."""
        return cls(
            status, {"content-type": "text/html; charset=utf-8", **(headers or {})}, page.encode()
        )

"""One request to the API server, and the forms of its answer, without HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from localcloud.kubernetes.access.users import User
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.store import Stored
from localcloud.kubernetes.objects.watching import Watch

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a resource path; empty where they are absent."""

    group: str
    version: str
    namespace: str
    resource: str
    name: str
    subresource: str
    rest: str  # what follows a proxy subresource, without its first slash
    slashed: bool = False  # something, at least a slash, follows the subresource

    @property
    def is_proxied(self) -> bool:
        """Return whether a pod answers, not the API server."""
        return self.subresource == "proxy" and self.resource in ("pods", "services")


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `body` is decoded JSON or None; for the proxies it is the bytes."""

    user: User
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = JSON

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"


@dataclass(frozen=True, slots=True)
class Document:
    """One object, a Status, or another answer that is not stored."""

    stored: Stored
    status: int = 200
    kind: Kind | None = None
    warnings: tuple[str, ...] = ()  # sentences that kubectl prints


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list."""

    kind: Kind
    items: list[Stored]
    version: int
    token: str = ""
    remaining: int = 0


@dataclass(frozen=True, slots=True)
class Watching:
    """A stream of events, which the reader closes."""

    kind: Kind
    watch: Watch
    first: list[Stored]  # sent as ADDED before the watch's own events
    seconds: float | None = None  # until the server ends it
    bookmarks: bool = False
    marks_end_of_first: bool = False
    failure: ApiFailure | None = None  # sent as the only event


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes of another type: logs, health, proxied pages."""

    body: bytes
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


Answer = Document | Listing | Watching | Content


def document(body: dict[str, Any], status: int = 200) -> Document:
    """Return an answer with a body that is not stored."""
    return Document(Stored(body, 0), status)


@lru_cache(maxsize=8192)
def parse_path(path: str) -> Target | None:
    """Read a path below `/api/v1` or `/apis/GROUP/VERSION`; None for any other."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    # `/namespaces/x/status` is about the namespace itself; `/namespaces/x/pods` is inside it.
    inside = len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize")
    if inside:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource, *tail = [*rest, "", ""]
    below = "/".join(tail[: len(rest) - 3]) if len(rest) > 3 else ""
    slashed = len(rest) > 3 or path.endswith("/")
    if below and path.endswith("/"):
        below += "/"
    return Target(group, version, namespace, resource, name, subresource, below, slashed)


def verb_of(method: str, target: Target, query: Mapping[str, str]) -> str:
    """Return the RBAC verb of a request."""
    if method in ("GET", "HEAD"):
        if target.name:
            return "get"
        return "watch" if query.get("watch") in ("true", "1") else "list"
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    return _VERBS.get(method, method.lower())

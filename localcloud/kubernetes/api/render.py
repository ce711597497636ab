"""Answers as bytes: JSON from cached pieces, or server-side tables on request."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from localcloud.kubernetes.api.calls import Content, Document, Listing
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import ENDPOINTS, Kind
from localcloud.kubernetes.objects.store import Stored, encode
from localcloud.kubernetes.printing.tables import table

JSON_TYPE = "application/json"


def wants_table(accept: str) -> bool:
    """Return whether the first media type of an Accept header is a Table."""
    first = {word.strip() for word in accept.partition(",")[0].split(";")}
    return "as=Table" in first and "g=meta.k8s.io" in first


class Renderer:
    """Renders for one request, by its Accept header and the objects in its tables."""

    def __init__(self, accept: str, include: str, now: Callable[[], datetime]) -> None:
        self._tables = wants_table(accept)
        self._include = include or "Metadata"
        self._now = now

    def document(self, answer: Document) -> Content:
        headers = _warnings(answer.kind, answer.warnings)
        if self._tables and answer.kind:
            body = encode(self._table(answer.kind, [answer.stored], _list_metadata(answer.stored)))
        else:
            body = answer.stored.encoded
        return Content(body, answer.status, JSON_TYPE, headers)

    def listing(self, answer: Listing) -> Content:
        metadata: dict[str, Any] = {"resourceVersion": str(answer.version)}
        if answer.token:
            metadata["continue"] = answer.token
            if answer.remaining:
                metadata["remainingItemCount"] = answer.remaining
        if self._tables:
            body = encode(self._table(answer.kind, answer.items, metadata))
        else:
            body = _joined(answer, metadata)
        return Content(body, 200, JSON_TYPE, _warnings(answer.kind))

    def event(self, kind: Kind, event_type: str, stored: Stored) -> bytes:
        """Return one line of a watch."""
        return b'{"type":"%s","object":%s}\n' % (event_type.encode(), self._object(kind, stored))

    def bookmark(self, kind: Kind, version: int, *, ends_first: bool = False) -> bytes:
        """Return a bookmark line of a watch."""
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if ends_first:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        if self._tables:
            body = self._table(kind, [], metadata)
        else:
            body = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        return encode({"type": "BOOKMARK", "object": body}) + b"\n"

    def _object(self, kind: Kind, stored: Stored) -> bytes:
        if not self._tables:
            return stored.encoded
        return encode(self._table(kind, [stored], _list_metadata(stored)))

    def _table(self, kind: Kind, items: list[Stored], metadata: dict[str, Any]) -> dict[str, Any]:
        return table(kind, items, self._now(), metadata=metadata, include=self._include)


def failure(error: ApiFailure) -> Content:
    """Return the Status of a failure, with its Retry-After header."""
    headers = (("retry-after", str(error.retry_after)),) if error.retry_after else ()
    return Content(encode(error.body()), error.status, JSON_TYPE, headers)


def failure_event(error: ApiFailure) -> bytes:
    """Return a failure inside a watch, whose HTTP status has been sent."""
    return encode({"type": "ERROR", "object": error.body()}) + b"\n"


def _joined(answer: Listing, metadata: dict[str, Any]) -> bytes:
    kind = answer.kind
    # The items of a list have no kind; stored bodies begin with theirs.
    prefix = encode({"apiVersion": kind.api_version, "kind": kind.kind})[:-1] + b","
    items = b",".join(
        b"{" + text[len(prefix) :] if text.startswith(prefix) else text
        for text in (stored.encoded for stored in answer.items)
    )
    head = encode(
        {"apiVersion": kind.api_version, "kind": f"{kind.kind}List", "metadata": metadata}
    )
    return head[:-1] + b',"items":[' + items + b"]}"


def _list_metadata(stored: Stored) -> dict[str, Any]:
    return {"resourceVersion": stored.body.get("metadata", {}).get("resourceVersion", "")}


def _warnings(kind: Kind | None, own: tuple[str, ...] = ()) -> tuple[tuple[str, str], ...]:
    outdated = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    texts = (outdated, *own) if kind is ENDPOINTS else own
    return tuple(("warning", f"299 - {_in_quotes(text)}") for text in texts)


def _in_quotes(text: str) -> str:
    plain = text.encode("ascii", "backslashreplace").decode()
    return '"{}"'.format(plain.replace("\\", "\\\\").replace('"', '\\"'))

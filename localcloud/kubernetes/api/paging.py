"""Lists in pages: a token holds the start of the next page.

A page is taken from the current objects, not from a snapshot: an object created between two pages
may appear in a later one. The real server keeps old versions for a while; clients that page here
read a list once and do not compare.
"""

import base64
import binascii
import json
from bisect import bisect_right

from localcloud.kubernetes.api import go_json
from localcloud.kubernetes.api.calls import Listing
from localcloud.kubernetes.objects.failures import bad_request
from localcloud.kubernetes.objects.store import Store, Stored
from localcloud.kubernetes.objects.watching import Selection

Position = tuple[str, str]


def page(store: Store, selection: Selection, limit: int, after: Position | None) -> Listing:
    """Return one page; `limit` 0 is no limit."""
    found = selection.list(store)
    if after:
        found = found[bisect_right(found, after, key=_position) :]
    if not limit or len(found) <= limit:
        return Listing(selection.kind, found, store.version)
    items = found[:limit]
    token = _token(store.version, _position(items[-1]))
    # As upstream, no remaining count with a selector.
    counted = not (selection.labels or selection.fields)
    remaining = len(found) - limit if counted else 0
    return Listing(selection.kind, items, store.version, token, remaining)


def open_token(token: str) -> Position:
    """Read the position from a token.

    Raises:
        ApiFailure: 400 for a token that this server did not issue.
    """
    try:
        padded = token + "=" * (-len(token) % 4)
        content = go_json.loads(base64.urlsafe_b64decode(padded))
        namespace, _, name = content["start"].partition("/")
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
    return namespace, name


def _token(version: int, position: Position) -> str:
    content = {"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(position)}
    text = json.dumps(content, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _position(stored: Stored) -> Position:
    metadata = stored.body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]

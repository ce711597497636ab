"""Compare what a manifest says with what is there, so that nothing is patched without need."""

import base64
from typing import Any

from domain.cluster.api import Manifest


def normalised(manifest: Manifest) -> dict[str, Any]:
    """Write a manifest as the server will give it back: a Secret's text becomes data."""
    document = dict(manifest)
    if document.get("kind") == "Secret" and "stringData" in document:
        texts = document.pop("stringData") or {}
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
        document["data"] = {**(document.get("data") or {}), **encoded}
    return document


def covers(live: Any, wanted: Any) -> bool:
    """Say whether an object already has all that is wanted of it.

    What only the server knows (defaults, status) does not matter, in list elements neither.
    An empty value and an absent one are the same, because the server leaves most empty ones out;
    but not an empty text, for a label or a selector may have one and mean something.
    Quantities are compared as text: write them as the server does, `500m` and not `0.5`.
    """
    if not wanted and wanted != "":
        return not live or (isinstance(wanted, dict) and isinstance(live, dict))
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(covers(live.get(k), v) for k, v in wanted.items())
    if isinstance(wanted, list | tuple):
        return (
            isinstance(live, list) and len(live) == len(wanted) and all(map(covers, live, wanted))
        )
    return bool(live == wanted)

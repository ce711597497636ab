"""Comparison of manifests with existing objects, so that only differences are patched."""

import base64
from typing import Any

from domain.cluster.api import Manifest


def normalised(manifest: Manifest) -> dict[str, Any]:
    """Convert a manifest to the form that the server returns: a Secret's text becomes data."""
    document = dict(manifest)
    if document.get("kind") == "Secret" and "stringData" in document:
        texts = document.pop("stringData") or {}
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
        document["data"] = {**(document.get("data") or {}), **encoded}
    return document


def covers(live: Any, wanted: Any) -> bool:
    """Whether an object already has all wanted fields.

    Additional fields of the object (defaults, status) are ignored, also in list elements. An empty
    value equals an absent one, because the server drops most empty ones; except an empty text,
    which is meaningful in a label or a selector. Quantities are compared as text: write them as
    the server does, `500m` and not `0.5`.
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

"""The least of OpenAPI v3 that kubectl needs to leave the checking of fields to the server."""

import hashlib
from functools import lru_cache
from typing import Any

from localcloud.kubernetes import kinds
from localcloud.kubernetes.kinds import Kind
from localcloud.kubernetes.store import encode

Body = dict[str, Any]

_PARAMETERS = [
    {"in": "query", "name": name, "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]


@lru_cache(maxsize=1)
def index() -> bytes:
    """The list of documents, with a hash in each address so that clients may keep them."""
    paths = {}
    for group, version in kinds.group_versions():
        key = f"apis/{group}/{version}" if group else f"api/{version}"
        digest = hashlib.sha256(_content(group, version)).hexdigest().upper()
        paths[key] = {"serverRelativeURL": f"/openapi/v3/{key}?hash={digest}"}
    return encode({"paths": paths})


def find(path: str) -> bytes | None:
    """One document by the end of its path, `api/v1` or `apis/GROUP/VERSION`."""
    match path.strip("/").split("/"):
        case ["api", version]:
            key = ("", version)
        case ["apis", group, version]:
            key = (group, version)
        case _:
            return None
    return _content(*key) if key in kinds.group_versions() else None


@lru_cache(maxsize=32)
def _content(group: str, version: str) -> bytes:
    paths: dict[str, Body] = {}
    for kind in kinds.group_versions()[(group, version)]:
        spaces = "{namespace}" if kind.namespaced else ""
        paths[kind.path(spaces)] = {"post": _operation(kind, "post")}
        paths[kind.path(spaces, "{name}")] = {
            verb: _operation(kind, verb) for verb in ("get", "put", "patch", "delete")
        }
    return encode(
        {
            "components": {"schemas": {}},
            "info": {"title": "Kubernetes", "version": "unversioned"},
            "openapi": "3.0.0",
            "paths": paths,
        }
    )


def _operation(kind: Kind, action: str) -> Body:
    return {
        "parameters": _PARAMETERS if action in ("post", "put", "patch") else [],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": kind.group,
            "kind": kind.kind,
            "version": kind.version,
        },
    }

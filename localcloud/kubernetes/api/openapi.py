"""The OpenAPI that kubectl needs to leave validation to the server, and to explain fields."""

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import Any

from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.schema import Field, record, record_of
from localcloud.kubernetes.objects.store import encode

Body = dict[str, Any]

_PARAMETERS = [
    {"in": "query", "name": name, "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]


_SCALARS: dict[str, Body] = {
    "byte": {"type": "string", "format": "byte"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "strings": {"type": "array", "items": {"type": "string"}},
    "IntOrString": {"type": "string", "format": "int-or-string"},
    "MicroTime": {"type": "string", "format": "date-time"},
    "Quantity": {"type": "string"},
    "Time": {"type": "string", "format": "date-time"},
}

V2 = b"\n\x032.0"
"""An empty OpenAPI v2 document in protobuf, which kubectl requests for unknown kinds."""

V2_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


@cache
def index() -> bytes:
    """Return the list of documents, with a hash in each URL so that clients can cache them."""
    paths = {}
    for group, version in kinds.group_versions():
        key = f"apis/{group}/{version}" if group else f"api/{version}"
        digest = hashlib.sha256(_content(group, version)).hexdigest().upper()
        paths[key] = {"serverRelativeURL": f"/openapi/v3/{key}?hash={digest}"}
    return encode({"paths": paths})


def find(path: str) -> bytes | None:
    """Return the document of `api/v1` or `apis/GROUP/VERSION`, or None."""
    match path.strip("/").split("/"):
        case ["api", version]:
            key = ("", version)
        case ["apis", group, version]:
            key = (group, version)
        case _:
            return None
    return _content(*key) if key in kinds.group_versions() else None


@cache
def _content(group: str, version: str) -> bytes:
    paths: dict[str, Body] = {}
    members = kinds.group_versions()[(group, version)]
    for kind in members:
        spaces = "{namespace}" if kind.namespaced else ""
        paths[kind.path(spaces)] = {"post": _operation(kind, "post")}
        paths[kind.path(spaces, "{name}")] = {
            verb: _operation(kind, verb) for verb in ("get", "put", "patch", "delete")
        }
    return encode(
        {
            "components": {"schemas": _schemas(members)},
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
        "x-kubernetes-group-version-kind": _named(kind),
    }


def _named(kind: Kind) -> Body:
    return {"group": kind.group, "kind": kind.kind, "version": kind.version}


def _schemas(members: Iterable[Kind]) -> Body:
    """Return the schemas of kinds and of all their parts, by name."""
    by_record = {record_of(kind).name: kind for kind in members}
    found: Body = {}
    waiting = list(by_record)
    while waiting:
        name = waiting.pop()
        if _title(name) in found:
            continue
        schema = found[_title(name)] = _schema(name)
        if name in by_record:
            schema["x-kubernetes-group-version-kind"] = [_named(by_record[name])]
        waiting += [field.type for field in record(name).fields.values() if field.is_record]
    return found


def _title(name: str) -> str:
    """Return the published name of a record; kubectl shows the part after its last dot."""
    package = "io.k8s.apimachinery.pkg.apis." if name.startswith("meta.") else "io.k8s.api."
    return package + name


def _schema(name: str) -> Body:
    found = record(name)
    return {
        "description": found.description,
        "type": "object",
        "properties": {name: _property(field) for name, field in found.fields.items()},
        "required": list(found.required),
        **_marks({"x-kubernetes-map-type": found.map_type}),
    }


def _property(field: Field) -> Body:
    if field.is_record:
        inner: Body = {"allOf": [{"$ref": f"#/components/schemas/{_title(field.type)}"}]}
    else:
        inner = _SCALARS.get(field.type, {"type": field.type})
    if field.container == "list":
        inner = {"type": "array", "items": inner}
    elif field.container == "dict":
        inner = {"type": "object", "additionalProperties": inner}
    description = field.description or (record(field.type).description if field.is_record else "")
    return inner | _marks(
        {
            "description": description,
            "x-kubernetes-list-map-keys": list(field.list_keys),
            "x-kubernetes-list-type": field.list_type,
            "x-kubernetes-map-type": field.map_type,
            "x-kubernetes-patch-merge-key": field.merge_key,
            "x-kubernetes-patch-strategy": field.strategy,
        }
    )


def _marks(found: Body) -> Body:
    return {name: value for name, value in found.items() if value}

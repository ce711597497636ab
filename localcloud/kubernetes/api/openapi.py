"""The least of OpenAPI that kubectl needs: to leave checks to the server, and to explain fields."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import version as version_of
from typing import Any

from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.schemas import Property, description, fields_of, model_of
from localcloud.kubernetes.objects.store import encode

Body = dict[str, Any]

_PARAMETERS = [
    {"in": "query", "name": name, "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]


V2 = b"\n\x032.0"
"""An empty document of OpenAPI v2 in protobuf: kubectl wants one when it meets an unknown kind."""

V2_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


@lru_cache(maxsize=1)
def index() -> bytes:
    """The list of documents, with a hash in each address so that clients may keep them."""
    paths = {}
    for (group, version), members in kinds.group_versions().items():
        key = f"apis/{group}/{version}" if group else f"api/{version}"
        # Not of the document itself: making it takes a second, and few who read this need it.
        made_from = f"{version_of('kubernetes')} {[kind.kind for kind in members]}"
        digest = hashlib.sha256(made_from.encode()).hexdigest().upper()
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
    """The schemas of some kinds and of all that they consist of, by name."""
    by_model = {model_of(kind): kind for kind in members}
    found: Body = {}
    waiting = list(by_model)
    while waiting:
        model = waiting.pop()
        if _title(model) in found:
            continue
        schema = found[_title(model)] = _schema(model)
        if model in by_model:
            schema["x-kubernetes-group-version-kind"] = [_named(by_model[model])]
        waiting += [field.type for field in fields_of(model).values() if field.is_model]
    return found


def _title(model: str) -> str:
    """`V1PodSpec` as `io.k8s.PodSpec`: kubectl shows what follows the last dot."""
    return "io.k8s." + model.rpartition("V1")[2]


def _schema(model: str) -> Body:
    fields = fields_of(model)
    return {
        "description": description(model),
        "type": "object",
        "properties": {name: _property(field) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.is_required],
    }


def _property(field: Property) -> Body:
    if field.is_model:
        inner: Body = {"allOf": [{"$ref": f"#/components/schemas/{_title(field.type)}"}]}
    elif field.type == "int-or-string":
        inner = {"type": "string", "format": field.type}
    else:
        inner = {"type": field.type}
    if field.container == "list":
        inner = {"type": "array", "items": inner}
    elif field.container == "dict":
        inner = {"type": "object", "additionalProperties": inner}
    told = field.description or (description(field.type) if field.is_model else "")
    return inner | ({"description": told} if told else {})

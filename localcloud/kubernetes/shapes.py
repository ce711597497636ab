"""The JSON types of fields: one wrong one in a stored object breaks every list of strict clients.

The types come from the table that protobuf bodies are read by. A field that is not in it passes.
"""

from collections.abc import Mapping
from typing import Any

from localcloud.kubernetes import kinds
from localcloud.kubernetes.failures import ApiFailure, bad_request
from localcloud.kubernetes.kinds import Kind
from localcloud.kubernetes.protobuf_fields import FIELDS, Field

_COMMON = frozenset(("apiVersion", "kind", "metadata"))
_SPECIFIED = _COMMON | {"spec", "status"}
_TOP = {
    kinds.CONFIG_MAP: _COMMON | {"data", "binaryData", "immutable"},
    kinds.SECRET: _COMMON | {"data", "stringData", "type", "immutable"},
    kinds.SERVICE_ACCOUNT: _COMMON
    | {"secrets", "imagePullSecrets", "automountServiceAccountToken"},
    kinds.ROLE: _COMMON | {"rules"},
    kinds.CLUSTER_ROLE: _COMMON | {"rules", "aggregationRule"},
    kinds.ROLE_BINDING: _COMMON | {"roleRef", "subjects"},
    kinds.CLUSTER_ROLE_BINDING: _COMMON | {"roleRef", "subjects"},
    kinds.ENDPOINTS: _COMMON | {"subsets"},
    kinds.ENDPOINT_SLICE: _COMMON | {"addressType", "endpoints", "ports"},
    kinds.LEASE: _COMMON | {"spec"},
}
"""The fields at the top of an object, for Strict validation; `_SPECIFIED` for the others."""

_UNCHECKED = (kinds.EVENT, kinds.PRIORITY_CLASS)
_GO_TYPES = {"string": "string", "bytes": "[]uint8", "bool": "bool", "int": "int32"}


def require_types(kind: Kind, body: Mapping[str, Any]) -> None:
    """Refuse values of the wrong JSON type.

    Raises:
        ApiFailure: 400 that names the field.
    """
    if kind.kind in FIELDS:
        _object(kind, kind.kind, body, "")


def require_known_fields(kind: Kind, body: Mapping[str, Any]) -> None:
    """Refuse unknown fields at the top of an object, as fieldValidation=Strict asks.

    Raises:
        ApiFailure: 400 that names them.
    """
    unknown = sorted(body.keys() - _TOP.get(kind, _SPECIFIED))
    if unknown and kind not in _UNCHECKED:
        found = ", ".join(f'unknown field "{name}"' for name in unknown)
        raise bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: strict '
            f"decoding error: {found}"
        )


def _object(kind: Kind, message: str, body: Mapping[str, Any], path: str) -> None:
    fields = FIELDS[message]
    for name, value in body.items():
        field = fields.get(name)
        if field is not None and value is not None:
            _field(kind, field, value, f"{path}.{name}" if path else name)


def _field(kind: Kind, field: Field, value: Any, path: str) -> None:
    if field.is_list:
        if not isinstance(value, list):
            raise _wrong(kind, value, path, f"[]{_GO_TYPES.get(field.type, field.type)}")
        for item in value:
            _value(kind, field.type, item, path)
    elif field.is_map:
        if not isinstance(value, Mapping):
            go_type = f"map[string]{_GO_TYPES.get(field.type, field.type)}"
            raise _wrong(kind, value, path, go_type)
        for item in value.values():
            _value(kind, field.type, item, path)
    else:
        _value(kind, field.type, value, path)


def _value(kind: Kind, wanted: str, value: Any, path: str) -> None:
    match wanted:
        case "string" | "bytes" | "Time":
            fits = isinstance(value, str) or value is None
        case "bool":
            fits = isinstance(value, bool)
        case "int":
            fits = isinstance(value, int) and not isinstance(value, bool)
        case "Quantity":
            fits = isinstance(value, str | int | float) and not isinstance(value, bool)
        case "IntOrString":
            fits = isinstance(value, str | int) and not isinstance(value, bool)
        case _:
            fits = isinstance(value, Mapping)
            if fits:
                _object(kind, wanted, value, path)
    if not fits:
        raise _wrong(kind, value, path, _GO_TYPES.get(wanted, wanted))


def _wrong(kind: Kind, value: Any, path: str, go_type: str) -> ApiFailure:
    given = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}
    word = given.get(type(value), "object")
    return bad_request(
        f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: json: cannot '
        f"unmarshal {word} into Go struct field {kind.kind}.{path} of type {go_type}"
    )

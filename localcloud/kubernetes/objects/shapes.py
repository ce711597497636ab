"""Which fields a body must have, and of which JSON types the others are.

One wrong type in a stored object breaks every list of strict clients, and a record without what
every reader counts on breaks our controllers: both are always checked, for the fields in the table
of types.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from localcloud.kubernetes.objects.failures import (
    ApiFailure,
    Cause,
    WrongType,
    bad_request,
    invalid,
    quoted,
    unreadable,
)
from localcloud.kubernetes.objects.field_types import FIELDS, REQUIRED
from localcloud.kubernetes.objects.kinds import KINDS, Kind
from localcloud.kubernetes.objects.protobuf_fields import Field
from localcloud.kubernetes.objects.quantities import canonical

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/=\r\n]")
_QUANTITY = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_GO_TYPES = {"string": "string", "bytes": "[]uint8", "bool": "bool", "int": "int32"}


def require_types(kind: Kind, body: Mapping[str, Any]) -> None:
    """Refuse values of the wrong JSON type, and records without their necessary fields.

    Raises:
        ApiFailure: 400 or 422 that names the field.
    """
    if kind.kind in FIELDS:
        missing: list[str] = []
        _check_record(kind, kind.kind, body, "", missing)
        if missing:
            name = body.get("metadata", {}).get("name", "")
            raise invalid(kind, name, [Cause.required(path) for path in missing])


def _check_record(
    kind: Kind, record: str, body: Mapping[str, Any], path: str, missing: list[str]
) -> None:
    """Check the types in a record, and note the paths of what it lacks."""
    fields, inside = FIELDS[record], f"{path}." if path else ""
    missing += [f"{inside}{name}" for name in REQUIRED[record] if body.get(name) is None]
    for name, value in body.items():
        field = fields.get(name)
        if field is not None and value is not None:
            _check_field(kind, field, value, inside + name, missing)


def _check_field(kind: Kind, field: Field, value: Any, path: str, missing: list[str]) -> None:
    if field.is_list:
        if not isinstance(value, list):
            raise _wrong(kind, value, path, f"[]{_GO_TYPES.get(field.type, field.type)}")
        for index, item in enumerate(value):
            _check_value(kind, field.type, item, f"{path}[{index}]", missing)
    elif field.is_map:
        if not isinstance(value, Mapping):
            go_type = f"map[string]{_GO_TYPES.get(field.type, field.type)}"
            raise _wrong(kind, value, path, go_type)
        for item in value.values():
            _check_value(kind, field.type, item, path, missing)
    else:
        _check_value(kind, field.type, value, path, missing)


def _check_value(kind: Kind, wanted: str, value: Any, path: str, missing: list[str]) -> None:
    match wanted:
        case "string" | "bytes" | "Time":
            fits = isinstance(value, str)
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
                _check_record(kind, wanted, value, path, missing)
    if not fits:
        raise _wrong(kind, value, path, _GO_TYPES.get(wanted, wanted))
    if wanted in _READERS:
        _require_readable(kind, wanted, value)


def _moment(text: str) -> None:
    if not _MOMENT.fullmatch(text):
        raise ValueError("Python reads more forms than Go")
    datetime.fromisoformat(text)


def _contents(text: str) -> None:
    b64decode(re.sub(r"[\r\n]", "", text), validate=True)


_READERS: Mapping[str, tuple[Callable[[Any], object], str]] = {
    "Quantity": (canonical, f"quantities must match the regular expression '{_QUANTITY}'"),
    "Time": (_moment, 'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": cannot parse it'),
    "bytes": (_contents, "illegal base64 data at input byte {place}"),
}
"""For types whose texts have a form: what reads them, and what to say where it cannot.

Whatever is stored here, Go's clients have to read in every list.
"""


def _require_readable(kind: Kind, wanted: str, value: Any) -> None:
    read, why = _READERS[wanted]
    try:
        read(value)
    except ValueError as error:
        strange = _NO_BASE64.search(str(value))
        place = strange.start() if strange else len(str(value)) // 4 * 4
        raise unreadable(kind, why.format(value=value, place=place)) from error


def _wrong(kind: Kind, value: Any, path: str, go_type: str) -> WrongType:
    given = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}
    word = given.get(type(value), "object")
    place = re.sub(r"\[\d+]", "", path)
    why = (
        f"json: cannot unmarshal {word} into Go struct field {kind.kind}.{place} of type {go_type}"
    )
    return WrongType(kind, why, value, go_type)


def wrong_kind(kind: Kind, api_version: str, given: str) -> ApiFailure:
    """Refuse a body of another kind than its path names."""
    version = api_version.rpartition("/")[2]
    if any((one.api_version, one.kind) == (api_version, given) for one in KINDS):
        group = kind.group.partition(".")[0] or "core"
        why = f"converting ({version}.{given}) to ({group}.{kind.kind}): unknown conversion"
    else:
        why = (
            f"no kind {quoted(given)} is registered for version {quoted(api_version)} in scheme "
            '"pkg/api/legacyscheme/scheme.go:30"'
        )
    return bad_request(f'{given} in version "{version}" cannot be handled as a {kind.kind}: {why}')

"""Which fields a body must have, and of which JSON types the others are.

One wrong type in a stored object breaks every list of strict clients, and a record without what
every reader counts on breaks our controllers: both are always checked, for the fields in the table
of types.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
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
from localcloud.kubernetes.objects.go_values import json_word
from localcloud.kubernetes.objects.kinds import KINDS, Kind
from localcloud.kubernetes.objects.protobuf_fields import Field
from localcloud.kubernetes.objects.quantities import canonical

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/=\r\n]")
_QUANTITY = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "bytes": (str,),
    "Time": (str,),
    "bool": (bool,),
    "int": (int,),
    "Quantity": (str, int, float),
    "IntOrString": (str, int),
}
"""What may stand for each type of the table of fields; all others are records."""

_GO_TYPES = {"string": "string", "bytes": "[]uint8", "bool": "bool", "int": "int32"}


def require_types(
    kind: Kind, body: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> None:
    """Refuse values of the wrong JSON type, and records without their necessary fields.

    Args:
        before: the stored body on an update; what was taken over from it has been checked.

    Raises:
        ApiFailure: 400 or 422 that names the field.
    """
    if kind.kind in FIELDS:
        missing: list[str] = []
        _check_record(kind, kind.kind, body, "", missing, before or {})
        if missing:
            name = body.get("metadata", {}).get("name", "")
            raise invalid(kind, name, [Cause.required(path) for path in missing])


def _check_record(
    kind: Kind,
    record: str,
    body: Mapping[str, Any],
    path: str,
    missing: list[str],
    checked: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Check the types in a record, and note the paths of what it lacks."""
    fields, inside = FIELDS[record], f"{path}." if path else ""
    missing += [inside + name for name in REQUIRED[record] if body.get(name) is None]
    for name, value in body.items():
        field = fields.get(name)
        if field is not None and value is not None and value is not checked.get(name):
            _check_field(kind, field, value, inside + name, missing)


def _check_field(kind: Kind, field: Field, value: Any, path: str, missing: list[str]) -> None:
    if field.is_list:
        if not isinstance(value, list):
            raise _wrong(kind, value, path, f"[]{_GO_TYPES.get(field.type, field.type)}")
        for index, item in enumerate(value):
            _check_value(kind, field.type, item, f"{path}[{index}]", missing)
    elif field.is_map:
        if not isinstance(value, dict):
            go_type = f"map[string]{_GO_TYPES.get(field.type, field.type)}"
            raise _wrong(kind, value, path, go_type)
        for item in value.values():
            _check_value(kind, field.type, item, path, missing)
    else:
        _check_value(kind, field.type, value, path, missing)


def _check_value(kind: Kind, wanted: str, value: Any, path: str, missing: list[str]) -> None:
    fitting = _JSON_TYPES.get(wanted)
    if fitting is None:
        if not isinstance(value, dict):
            raise _wrong(kind, value, path, wanted)
        _check_record(kind, wanted, value, path, missing)
    # Exact types, as True would be a number; only texts may be words of an enumeration.
    elif type(value) not in fitting and not (str in fitting and isinstance(value, str)):
        raise _wrong(kind, value, path, _GO_TYPES.get(wanted, wanted))
    elif wanted in _READERS:
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
    place = re.sub(r"\[\d+]", "", f"{kind.kind}.{path}")
    found = json_word(value)
    why = f"json: cannot unmarshal {found} into Go struct field {place} of type {go_type}"
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

"""Allowed and required fields of a body, and their JSON types.

One wrong type in a stored object breaks every list of strict clients, and a record without what
every reader counts on breaks our controllers: both are always checked, by the table of fields. Of a
status nothing is missing: `defaults` writes its zeros.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from localcloud.kubernetes.objects.failures import (
    ApiFailure,
    Cause,
    WrongType,
    bad_request,
    quoted,
    unreadable,
)
from localcloud.kubernetes.objects.go_values import json_word
from localcloud.kubernetes.objects.kinds import KINDS, STATUS, Kind
from localcloud.kubernetes.objects.quantities import canonical
from localcloud.kubernetes.objects.schema import Field, Record, record, record_of

Place = tuple[str, dict[str, Any], str]
"""The path of a field, the record that holds it, and its name in there."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_FINE_MOMENT = re.compile(_MOMENT.pattern.replace(r"([.,]\d+)?", r"[.,]\d{6}"), re.ASCII)
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/=\r\n]")
_QUANTITY = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "strings": (list,),
    "byte": (str,),
    "boolean": (bool,),
    "int32": (int,),
    "int64": (int,),
    "object": (dict,),
    "Time": (str,),
    "MicroTime": (str,),
    "Quantity": (str, int, float),
    "IntOrString": (str, int),
}
"""The JSON types of each type of the table; all others are records."""

_PLAIN_TYPES = {"string": str, "boolean": bool}
_BITS = {"int32": 31, "int64": 63}
_GO_TYPES = {"boolean": "bool", "byte": "[]uint8", "strings": "[]string"}
_OWN_READERS = {"Time": "string", "MicroTime": "string", "IntOrString": "int32"}
"""Types with their own decoder in Go, whose messages name no field, and their JSON types."""


def unknown_fields(kind: Kind, body: Any) -> list[Place]:
    """Yield the unknown fields of a body, in its order."""
    return list(_unknown(record_of(kind), body, ""))


def _unknown(of: Record, body: Any, path: str) -> Iterator[Place]:
    if not isinstance(body, dict):
        return
    for name, value in body.items():
        field, place = of.fields.get(name), _below(path, name)
        if field is None:
            yield place, body, name
        elif field.is_record:
            for where, item in _items(field, value, place):
                yield from _unknown(record(field.type), item, where)


def _items(field: Field, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the records in a field, with their paths."""
    match field.container, value:
        case "list", list():
            yield from ((f"{path}[{index}]", item) for index, item in enumerate(value))
        case "dict", dict():
            yield from ((f"{path}.{key}", item) for key, item in value.items())
        case "", _:
            yield path, value


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def check_fields(
    kind: Kind, body: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> list[Cause]:
    """Refuse values of a wrong JSON type, and return the errors of missing required fields.

    Args:
        before: the stored body on an update; unchanged parts are not checked again.

    Raises:
        ApiFailure: 400 that names the field.
    """
    missing: list[str] = []
    _check_record(kind, record_of(kind), body, "", missing, before or {})
    return [Cause.required(path) for path in missing if not path.startswith(f"{STATUS}.")]


def _check_record(
    kind: Kind,
    of: Record,
    body: Mapping[str, Any],
    path: str,
    missing: list[str],
    checked: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Check the types in a record, and collect the paths of missing required fields."""
    missing += [_below(path, name) for name in of.required if body.get(name) is None]
    for name, value in body.items():
        field = of.fields.get(name)
        if field is None or value is None or value is checked.get(name):
            continue
        # Most values are these: no call for each of them, for the speed of every write.
        if field.container or type(value) is not _PLAIN_TYPES.get(field.type):
            _check_field(kind, of, field, value, _below(path, name), missing)


def _check_field(
    kind: Kind, of: Record, field: Field, value: Any, path: str, missing: list[str]
) -> None:
    container = {"list": list, "dict": dict}.get(field.container)
    if container and not isinstance(value, container):
        raise _wrong(kind, of, value, path, field)
    for place, item in _items(field, value, path):
        if field.is_record and isinstance(item, dict):
            _check_record(kind, record(field.type), item, place, missing)
        elif field.is_record or not _fits(field, item):
            raise _wrong(kind, of, item, path, field, inside=True)
        elif field.type in _READERS:
            _require_readable(kind, field.type, item)


def _fits(field: Field, value: Any) -> bool:
    """Return whether a value has the type of a field, and a number is in its range."""
    fitting, bits = _JSON_TYPES[field.type], _BITS.get(field.type)
    # Exact types, as True would be a number; only texts may be words of an enumeration.
    if type(value) not in fitting and not (str in fitting and isinstance(value, str)):
        return False
    return bits is None or -(1 << bits) <= value < 1 << bits


def _moment(text: str) -> None:
    if not _MOMENT.fullmatch(text):
        raise ValueError("Python reads more forms than Go")
    datetime.fromisoformat(text)


def _fine_moment(text: str) -> None:
    if not _FINE_MOMENT.fullmatch(text):
        raise ValueError("not of microseconds")
    datetime.fromisoformat(text)


def _contents(text: str) -> None:
    b64decode(re.sub(r"[\r\n]", "", text), validate=True)


_READERS: Mapping[str, tuple[Callable[[Any], object], str]] = {
    "Quantity": (canonical, f"quantities must match the regular expression '{_QUANTITY}'"),
    "Time": (_moment, 'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": cannot parse it'),
    "MicroTime": (
        _fine_moment,
        'parsing time "{value}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse it',
    ),
    "byte": (_contents, "illegal base64 data at input byte {place}"),
}
"""For types with a text form: the parser, and the message where it fails.

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


def _wrong(
    kind: Kind, of: Record, value: Any, path: str, field: Field, *, inside: bool = False
) -> WrongType:
    """Return the error for the value of a field, or with `inside` for one of its items."""
    go_type = _go_type(field, inside=inside)
    place = re.sub(r"\[\d+]", "", path)
    target = f"struct field {of.name.rpartition('.')[2]}.{place} of type {go_type}"
    if field.type in _OWN_READERS and (inside or not field.container):
        target = f"value of type {_OWN_READERS[field.type]}"
    found = json_word(value)
    if field.type in _BITS and found == "number":  # too large, or broken
        found = f"number {value}"
    why = f"json: cannot unmarshal {found} into Go {target}"
    return WrongType(kind, why, value, go_type)


def _go_type(field: Field, *, inside: bool) -> str:
    name = ".".join(field.type.split(".")[-2:])
    prefix = "" if inside else {"list": "[]", "dict": "map[string]"}.get(field.container, "")
    return prefix + _GO_TYPES.get(name, name)


def wrong_kind(kind: Kind, api_version: str, given: str) -> ApiFailure:
    """Refuse a body of another kind than its path has."""
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

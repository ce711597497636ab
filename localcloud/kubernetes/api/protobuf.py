"""Reads the protobuf bodies that kubectl from 1.32 on posts, into the JSON form of the object.

kubectl does not fall back to JSON when a server refuses protobuf, so `kubectl create …` depends on
this. The fields of a message are in the table of `schema`; answers are always JSON, which kubectl
accepts.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from localcloud.kubernetes.objects.failures import ApiFailure, bad_request, unsupported_media
from localcloud.kubernetes.objects.schema import Field, Numbers, Record, record, record_named

MAGIC = b"k8s\x00"
_TYPE_META, _RAW = 1, 2  # of the envelope
_API_VERSION, _KIND = 1, 2  # of its type
_FIXED64 = 1

Body = dict[str, Any]


def decode(content: bytes) -> Body:
    """Decode one body with its envelope.

    Raises:
        ApiFailure: 400 for an invalid body, 415 for an unknown kind.
    """
    if not content.startswith(MAGIC):
        raise bad_request("the body is not a Kubernetes protobuf document: its prefix is missing")
    try:
        envelope = dict(_fields(content[len(MAGIC) :]))
        type_meta = dict(_fields(_bytes(envelope.get(_TYPE_META, b""))))
        api_version, kind = (_text(type_meta.get(number, b"")) for number in (_API_VERSION, _KIND))
        found = _record(api_version, kind)
        body: Body = {"apiVersion": api_version, "kind": kind}
        _read(body, found, found.numbers, _bytes(envelope.get(_RAW, b"")))
        return body
    except (IndexError, ValueError) as error:
        raise bad_request(f"the protobuf body cannot be read: {error}") from error


def _record(api_version: str, kind: str) -> Record:
    group, _, version = api_version.rpartition("/")
    for name in (record_named(group, version, kind), f"meta.v1.{kind}"):
        try:
            found = record(name)
        except KeyError:
            continue
        if "kind" in found.fields and kind != "Pod":
            return found
    raise _unknown(kind)


def _unknown(kind: str) -> ApiFailure:
    if kind == "Pod":  # only `kubectl debug` sends one
        return unsupported_media("`kubectl debug` is not emulated: pods here run no processes")
    return unsupported_media(
        f"this API server reads no protobuf for {kind}; send JSON instead: add "
        "`--dry-run=client -o yaml` to the command and pipe it to `kubectl apply -f -`"
    )


def _read(body: Body, of: Record, numbers: Numbers, content: bytes) -> None:
    """Decode the fields of one message into its object."""
    for number, value in _fields(content):
        match numbers.get(str(number)):
            case str(name):
                _take(body, name, of.fields[name], value)
            case dict(inlined):
                _read(body, of, inlined, _bytes(value))


def _take(body: Body, name: str, field: Field, value: int | bytes) -> None:
    """Set one field of an object, unless it is a zero without a pointer, which means absent."""
    if field.container == "dict":
        entry = dict(_fields(_bytes(value)))
        body.setdefault(name, {})[_text(entry.get(1, b""))] = _value(field, entry.get(2, b""))
        return
    decoded = _value(field, value)
    if field.container == "list":
        body.setdefault(name, []).append(decoded)
    elif field.pointer or decoded not in (0, "", None, False, {}):
        body[name] = decoded


def _value(field: Field, value: int | bytes) -> Any:
    match field.type:
        case "string":
            return _text(value)
        case "byte":
            return base64.b64encode(_bytes(value)).decode()
        case "boolean":
            return bool(_number(value))
        case "int32" | "int64":
            return _number(value)
    if field.is_record:
        body: Body = {}
        _read(body, record(field.type), record(field.type).numbers, _bytes(value))
        return body
    return _special(field.type, [*_fields(_bytes(value))])


def _special(kind: str, parts: list[tuple[int, int | bytes]]) -> Any:
    """Return the JSON form of messages that are not objects of their fields."""
    first = dict(parts)
    match kind:
        case "strings":
            return [_text(item) for _, item in parts]
        case "Quantity":
            return _text(first.get(1, b"0"))
        case "IntOrString":  # type, number, text
            return _text(first.get(3, b"")) if first.get(1) else _number(first.get(2, 0))
        case "Time" | "MicroTime":
            return _moment(kind, first)
    return json.loads(_bytes(first.get(1, b"null")))


def _moment(kind: str, parts: dict[int, int | bytes]) -> str | None:
    if 1 not in parts:
        return None
    moment = datetime.fromtimestamp(_number(parts[1]), UTC)
    if kind == "Time":
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return moment.strftime(f"%Y-%m-%dT%H:%M:%S.{_number(parts.get(2, 0)) // 1000:06}Z")


def _number(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("text stands where a number is expected")
    return value - (1 << 64) if value >= 1 << 63 else value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode()


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number stands where text is expected")
    return value


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield field numbers and raw values of one message, in order."""
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        match key & 7:
            case 0:
                value, position = _varint(content, position)
                yield key >> 3, value
            case 1 | 5 as wire:
                position += 8 if wire == _FIXED64 else 4
            case 2:
                size, position = _varint(content, position)
                if position + size > len(content):
                    raise ValueError("a field is longer than its message")
                yield key >> 3, content[position : position + size]
                position += size
            case other:
                raise ValueError(f"wire type {other}")


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("a number is longer than ten bytes")

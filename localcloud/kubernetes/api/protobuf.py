"""Reads the protobuf bodies that kubectl from 1.32 on posts, into the JSON form of the object.

kubectl does not fall back to JSON when a server refuses protobuf, so `kubectl create …` depends on
this. Which messages are known stands in `protobuf_fields`; answers are always JSON, which kubectl
accepts.
"""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from localcloud.kubernetes.objects.failures import ApiFailure, bad_request, unsupported_media
from localcloud.kubernetes.objects.protobuf_fields import KINDS, MESSAGES, Field

MAGIC = b"k8s\x00"
_FIXED64 = 1

Body = dict[str, Any]


def decode(content: bytes) -> Body:
    """Decode one body with its envelope.

    Raises:
        ApiFailure: 400 for bytes that are no such body, 415 for a kind that is not known here.
    """
    if not content.startswith(MAGIC):
        raise bad_request("the body is not a Kubernetes protobuf document: its prefix is missing")
    try:
        envelope = _message("Unknown", content[len(MAGIC) :])
        type_meta = envelope.get("typeMeta", {})
        kind = type_meta.get("kind", "")
        if kind not in KINDS:
            raise _unknown(kind)
        raw = base64.b64decode(envelope.get("raw", ""))
        return {**type_meta, **_message(kind, raw)}
    except (IndexError, ValueError) as error:
        raise bad_request(f"the protobuf body cannot be read: {error}") from error


def _unknown(kind: str) -> ApiFailure:
    if kind == "Pod":  # only `kubectl debug` sends one
        return unsupported_media("`kubectl debug` is not emulated: pods here run no processes")
    return unsupported_media(
        f"this API server reads no protobuf for {kind}; send JSON instead: add "
        "`--dry-run=client -o yaml` to the command and pipe it to `kubectl apply -f -`"
    )


def _message(name: str, content: bytes) -> Any:
    fields = MESSAGES[name]
    body: Body = {}
    for number, value in _fields(content):
        field = fields.get(number)
        if field is not None:
            _take(body, field, value)
    return _plain(name, body)


def _plain(name: str, body: Body) -> Any:
    """The JSON form of the messages whose JSON form is no object."""
    match name:
        case "Time":
            return _moment(body)
        case "Quantity":
            return body.get("string", "0")
        case "IntOrString":
            return body.get("strVal", "") if body.get("type") else body.get("intVal", 0)
    return body


def _moment(body: Body) -> str | None:
    if "seconds" not in body:
        return None
    return datetime.fromtimestamp(body["seconds"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _take(body: Body, field: Field, value: int | bytes) -> None:
    """Put one field into its object; what is zero and no pointer means "not given"."""
    if field.is_map:
        entry = dict(_fields(_bytes(value)))
        key = _bytes(entry.get(1, b"")).decode()
        body.setdefault(field.name, {})[key] = _value(field.type, entry.get(2, b""))
        return
    decoded = _value(field.type, value)
    if field.is_list:
        body.setdefault(field.name, []).append(decoded)
    elif field.is_pointer or decoded not in (0, "", None, False, {}):
        body[field.name] = decoded


def _value(kind: str, value: int | bytes) -> Any:
    match kind:
        case "string":
            return _bytes(value).decode()
        case "bytes":
            return base64.b64encode(_bytes(value)).decode()
        case "bool":
            return bool(value)
        case "int":
            number = int(value) if isinstance(value, int) else 0
            return number - (1 << 64) if number >= 1 << 63 else number
    return _message(kind, _bytes(value))


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number stands where text is expected")
    return value


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and raw values of one message, in order."""
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

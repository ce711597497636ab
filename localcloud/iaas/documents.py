"""Records as JSON documents and back, by the types of their fields.

A field that a stored document does not have yet takes its default, so that a record may grow.
"""

import base64
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, Union, get_args, get_origin, get_type_hints


def to_document(value: Any) -> Any:
    """Convert a record, or a value in one, to JSON types."""
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return value.value
        case str():
            return value
        case datetime():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case Mapping():
            return {key: to_document(one) for key, one in value.items()}
        case set() | frozenset():
            return sorted(to_document(one) for one in value)
        case list() | tuple():
            return [to_document(one) for one in value]
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} cannot be stored")
    return {one.name: to_document(getattr(value, one.name)) for one in fields(value)}


def snapshot(value: Any) -> Any:
    """Return a value that equals a later snapshot as long as nothing has changed.

    Collections are copied. Records inside a record are not: applied records are replaced, never
    changed in place.
    """
    if not is_dataclass(value):
        return value
    return [
        copy(one) if (copy := _COPIES.get(type(one))) else one
        for one in _fields_getter(value.__class__)(value)
    ]


_COPIES: Mapping[type, Any] = {list: list, dict: dict, set: set}


@cache
def _fields_getter(record: Any) -> Callable[[Any], tuple[Any, ...]]:
    """Return a getter of all fields of a record, of which there are always several."""
    return attrgetter(*(one.name for one in fields(record)))


def from_document(wanted: Any, document: Any) -> Any:
    """Read a value of a type. Raises `TypeError` for a type that `to_document` does not write."""
    if wanted in (str, int, float, bool, type(None), Any):
        return document
    if wanted is datetime:
        return datetime.fromisoformat(document)
    if wanted is bytes:
        return base64.b64decode(document)
    if is_dataclass(wanted):
        return _read_record(wanted, document)
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return wanted(document)
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        (other,) = [one for one in inner if one is not type(None)]
        return None if document is None else from_document(other, document)
    if origin is tuple and inner[1:] != (...,):
        return tuple(from_document(one, part) for one, part in zip(inner, document, strict=True))
    if origin in (list, tuple, set, frozenset):
        return origin(from_document(inner[0], part) for part in document)
    if origin is dict:
        return {key: from_document(inner[1], part) for key, part in document.items()}
    raise TypeError(f"{wanted} cannot be read")


def _read_record(record: Any, document: Mapping[str, Any]) -> Any:
    """Set the fields without the constructor: those that it computes were stored, too."""
    made = object.__new__(record)
    for one, hint in _fields_of(record):
        if one.name in document:
            value = from_document(hint, document[one.name])
        else:
            value = _default_of(one)
        object.__setattr__(made, one.name, value)
    return made


def _default_of(one: Field[Any]) -> Any:
    if one.default_factory is not MISSING:
        return one.default_factory()
    if one.default is MISSING:
        raise TypeError(f"the stored record has no {one.name!r}")
    return one.default


@cache
def _fields_of(record: type) -> tuple[tuple[Field[Any], Any], ...]:
    hints = get_type_hints(record)
    return tuple((one, hints[one.name]) for one in fields(record))

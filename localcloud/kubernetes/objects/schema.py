"""The fields of every kind, from the one table for all rules about fields.

`generate_schema` makes the table from what Kubernetes 1.36 publishes. It is loaded at first use.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from localcloud.kubernetes.objects.kinds import Kind

TABLE = Path(__file__).with_name("schema.json")

Numbers = Mapping[str, Any]
"""Field names by protobuf number, or such a mapping for an embedded message."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record.

    Attributes:
        type: `boolean`, `byte` (base64), `int32`, `int64`, `object` (anything), `string`,
            `strings`, `Time`, `MicroTime`, `Quantity`, `IntOrString`, or the name of a record.
        container: `list` or `dict` where the field holds many of its type.
        pointer: whether its zero value differs from none at all.
        merge_key: the key by which a strategic merge joins the records of a list.
        strategy: `merge` where a strategic merge joins a list, `retainKeys`, both, or `replace`.
        list_type: `map`, `set` or `atomic`, as apply takes a list.
        list_keys: the keys by which apply joins the records of a list.
        map_type: `atomic` for a map that apply replaces.
        is_record: whether the type is a record.
    """

    type: str
    container: str = ""
    required: bool = False
    pointer: bool = False
    merge_key: str = ""
    strategy: str = ""
    list_type: str = ""
    list_keys: tuple[str, ...] = ()
    map_type: str = ""
    description: str = ""
    is_record: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A kind, or a part of one. `map_type` is `atomic` where apply replaces it as a whole."""

    name: str
    description: str
    map_type: str
    numbers: Numbers
    fields: Mapping[str, Field]
    required: tuple[str, ...]


def record_named(group: str, version: str, kind: str) -> str:
    """Return the name of the record of a kind, such as `rbac.v1.Role`."""
    return f"{group.partition('.')[0] or 'core'}.{version}.{kind}"


def record_of(kind: Kind) -> Record:
    """Return the record of a kind."""
    return record(record_named(kind.group, kind.version, kind.kind))


@cache
def record(name: str) -> Record:
    """Return a record by its name.

    Raises:
        KeyError: the name is unknown.
    """
    found = _table()[name]
    fields = {key: _field(**entry) for key, entry in found["fields"].items()}
    required = tuple(key for key, field in fields.items() if field.required)
    return Record(name, found["description"], found["map_type"], found["numbers"], fields, required)


def _field(type: str, list_keys: Sequence[str] = (), **others: Any) -> Field:
    return Field(type, list_keys=tuple(list_keys), is_record="." in type, **others)


def records() -> tuple[str, ...]:
    """Return the names of all records."""
    return tuple(_table())


@cache
def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))["records"]
    return table

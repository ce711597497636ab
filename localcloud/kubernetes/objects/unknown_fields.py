"""Fields that a kind does not have: found by the schemas of all kinds, and taken out."""

from collections.abc import Iterator, Mapping
from typing import Any

from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.schemas import Property, fields_of, model_of

Place = tuple[str, dict[str, Any], str]
"""The path of a field, the record that holds it, and its name in there."""


def unknown_fields(kind: Kind, body: Any) -> list[str]:
    """The paths of the fields that a kind does not have, in the order of the body."""
    return [path for path, _, _ in _unknown(model_of(kind), body, "")]


def drop_unknown_fields(kind: Kind, body: Any) -> list[str]:
    """Take the fields that a kind does not have out of a body; returns their paths."""
    found = list(_unknown(model_of(kind), body, ""))
    for _, record, name in found:
        del record[name]
    return [path for path, _, _ in found]


def _unknown(model: str, body: Any, path: str) -> Iterator[Place]:
    known = fields_of(model)
    for name, value in body.items() if isinstance(body, Mapping) else ():
        field = known.get(name)
        if field is None:
            yield _below(path, name), body, name
        elif field.is_model:
            yield from _unknown_within(field, value, _below(path, name))


def _unknown_within(field: Property, value: Any, place: str) -> Iterator[Place]:
    match field.container, value:
        case "list", list():
            for index, item in enumerate(value):
                yield from _unknown(field.type, item, f"{place}[{index}]")
        case "dict", dict():
            for key, item in value.items():
                yield from _unknown(field.type, item, f"{place}.{key}")
        case "", _:
            yield from _unknown(field.type, value, place)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

"""Fields that a kind does not have, found by the schemas of all kinds."""

from collections.abc import Mapping
from typing import Any

from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.schemas import Property, fields_of, model_of

Place = tuple[str, dict[str, Any], str]
"""The path of a field, the record that holds it, and its name in there."""


def unknown_fields(kind: Kind, body: Any) -> list[Place]:
    """The fields that a kind does not have, in the order of the body."""
    found: list[Place] = []
    _look(fields_of(model_of(kind)), body, "", found)
    return found


def _look(known: Mapping[str, Property], body: Any, path: str, found: list[Place]) -> None:
    if not isinstance(body, dict):
        return
    for name, value in body.items():
        field = known.get(name)
        if field is None:
            found.append((_below(path, name), body, name))
        elif field.is_model:
            _look_within(field, value, _below(path, name), found)


def _look_within(field: Property, value: Any, place: str, found: list[Place]) -> None:
    known = fields_of(field.type)
    match field.container, value:
        case "list", list():
            for index, item in enumerate(value):
                _look(known, item, f"{place}[{index}]", found)
        case "dict", dict():
            for key, item in value.items():
                _look(known, item, f"{place}.{key}", found)
        case "", _:
            _look(known, value, place, found)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

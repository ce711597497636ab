"""The fields of every kind, as the models of the Kubernetes client know them.

Those are generated from a real server's description. They are imported when somebody first asks,
which takes about a second and 30 MiB: whoever has others to serve meanwhile calls `load` in a
thread before.
"""

import inspect
import types
import typing
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from localcloud.kubernetes.objects.kinds import EVENT, NEW_EVENT, Kind

_SCALARS = {"int": "integer", "bool": "boolean", "float": "number"}
_ODD_NAMES = {EVENT: "CoreV1Event", NEW_EVENT: "EventsV1Event"}


@dataclass(frozen=True, slots=True)
class Property:
    """One field: its type is a model of ours, a JSON type, or `int-or-string`."""

    type: str
    container: str = ""  # list or dict, where it holds many
    is_model: bool = False
    is_required: bool = False
    description: str = ""


def model_of(kind: Kind) -> str:
    """The name of the model of a kind."""
    return _ODD_NAMES.get(kind, f"V1{kind.kind}")


@cache
def fields_of(model: str) -> dict[str, Property]:
    """The fields of a model by their JSON names."""
    found = getattr(_models(), model).model_fields
    return {
        info.serialization_alias or name: _field(info.annotation, info)
        for name, info in found.items()
    }


def load(kind: Kind) -> None:
    """Read the fields of a kind and of all that it holds, so that they are at hand."""
    waiting, known = [model_of(kind)], set[str]()
    while waiting:
        model = waiting.pop()
        if model not in known:
            known.add(model)
            waiting += [field.type for field in fields_of(model).values() if field.is_model]


def description(model: str) -> str:
    """What a model is for, in a sentence or two."""
    documentation = inspect.getdoc(getattr(_models(), model)) or ""
    return documentation.partition("\n\nAttributes:")[0]


def _models() -> Any:
    from kubernetes.client import models

    return models


def _field(annotation: Any, info: Any) -> Property:
    (inner, *others), container = _parts(annotation), ""
    if typing.get_origin(inner) in (list, dict):
        container = typing.get_origin(inner).__name__
        inner, *others = _parts(typing.get_args(inner)[-1])
    is_model = hasattr(inner, "model_fields")
    name = inner.__name__ if is_model else _json_type([inner, *others])
    return Property(name, container, is_model, info.is_required(), info.description or "")


def _parts(annotation: Any) -> list[Any]:
    """The types that an annotation allows, without None and without what only checks."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _parts(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        allowed = (one for one in typing.get_args(annotation) if one is not type(None))
        return [part for one in allowed for part in _parts(one)]
    return [annotation]


def _json_type(allowed: list[Any]) -> str:
    if set(allowed) == {int, str}:
        return "int-or-string"
    if allowed == [Any]:
        return "object"
    return _SCALARS.get(allowed[0].__name__, "string")

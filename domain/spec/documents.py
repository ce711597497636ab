"""Documents as users write them, and what is wrong with one, in a sentence."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from domain.kernel.errors import InvalidSpec


def read_yaml(text: str, name: str) -> dict[str, Any]:
    """Read a document of YAML 1.2, in which `20:00` is a text, and neither a number nor a time.

    Args:
        name: what is read, for messages, such as `the file demo.yaml`.

    Returns:
        Its keys and values; empty for an empty document.

    Raises:
        InvalidSpec: it is not valid YAML, gives a key twice, or holds no keys.
    """
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except DuplicateKeyError as error:
        what = str(error.problem).partition(" with value")[0].removeprefix("found ")
        raise InvalidSpec(f"{name} holds a {what}{_place(error)}; remove one of the two") from error
    except YAMLError as error:
        what = getattr(error, "problem", None) or str(error)
        raise InvalidSpec(f"{name} is not valid YAML: {what}{_place(error)}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidSpec(f"{name} must hold keys and values, not {_kind(document)}")
    return document


def _place(error: YAMLError) -> str:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    return f" in line {mark.line + 1}" if mark else ""


def describe_invalid(
    error: ValidationError, root: type[BaseModel], advice: Mapping[str, str] | None = None
) -> str:
    """Say in one sentence which value is invalid first, by the path of its key, and why.

    Args:
        root: the part that was validated.
        advice: by path, what a valid value looks like.
    """
    first = error.errors()[0]
    # A function in the path is the validator of a part that names a preset, and no key.
    path = tuple(part for part in first["loc"] if not str(part).startswith("function-"))
    where = ".".join(str(part) for part in path)
    given = first["input"]
    match first["type"]:
        case "extra_forbidden":
            known = ", ".join(_part_at(root, path[:-1]).model_fields)
            return f"unknown key {where!r}; known are: {known}"
        case "model_type" if where:
            known = ", ".join(list(_part_at(root, path).model_fields)[:3])
            return f"{where} must hold keys such as {known}, and not {_kind(given)}"
        case kind if kind in _WANTED:
            return f"{where}: {_shortened(given)} is {_kind(given)}; write {_WANTED[kind]}"
    if where in (advice or {}) and first["type"] != "value_error":  # whose own words say more
        return f"{where} {given!r} is not valid: {(advice or {})[where]}"
    what = first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "dict_type": "keys and values",
}

_KINDS = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "a text"),
    (Mapping, "keys and values"),
    ((list, tuple), "a list"),
    (type(None), "empty"),
)


def _kind(value: object) -> str:
    return next((words for kind, words in _KINDS if isinstance(value, kind)), type(value).__name__)


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _part_at(root: type[BaseModel], where: tuple[int | str, ...]) -> type[BaseModel]:
    """The part of the description at a place such as `monitoring.custom.0`."""
    part, is_key = root, False
    for name in where:
        if isinstance(name, int) or is_key:
            is_key = False  # an item of a list, or of a mapping by names, is of its type
            continue
        annotation = part.model_fields[name].annotation
        part, is_key = next(_parts_in(annotation)), get_origin(annotation) is dict
    return part


def _parts_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _parts_in(inner)

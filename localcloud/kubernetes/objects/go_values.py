"""JSON values as Go's messages show them."""

from collections.abc import Mapping
from typing import Any

_TYPES = {bool: "bool", int: "int64", float: "float64", str: "string"}


def go_text(value: Any) -> str:
    """Return a value in Go's plain notation, such as `map[a:1 b:[x y]]`."""
    match value:
        case Mapping():
            return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
        case list():
            return f"[{' '.join(go_text(item) for item in value)}]"
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
    return str(value)


def json_word(value: Any) -> str:
    """Return the name of a value's JSON type in Go's decoder."""
    words = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}
    return words.get(type(value), "object")


def wrong_conversion(value: Any, go_type: str) -> str:
    """Return Go's message for a value that does not convert to a type."""
    scalar = _TYPES.get(type(value))
    kind = scalar or ("slice" if isinstance(value, list) else "map")
    if go_type.startswith("[]"):
        return f"cannot restore slice from {kind}"
    if go_type.startswith("map["):
        return f"cannot restore map from {kind}"
    if "." in go_type:
        return f"cannot restore struct from: {kind}"
    if kind in ("int64", "float64") and go_type != "bool":
        return f"cannot convert {kind} to {go_type}"
    return f"unrecognized type: {go_type}"

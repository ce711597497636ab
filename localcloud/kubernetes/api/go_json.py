"""JSON as Go's decoder reads it, with its error messages."""

import json
import re
from math import isinf
from typing import Any

_WORDS = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": (
        "looking for beginning of object key string"
    ),
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
    "Extra data": "after top-level value",
}
"""Go's messages by those of Python's decoder."""

_HALF = re.compile(r"\\u[dD]")


def _refuse(constant: str) -> None:
    where = "in numeric literal" if constant.startswith("-") else "looking for beginning of value"
    raise ValueError(f"invalid character '{constant.lstrip('-')[0]}' {where}")


def _finite(number: str) -> float:
    value = float(number)
    if isinf(value):
        raise ValueError(f"json: cannot unmarshal number {number} into Go value of type float64")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def loads(content: bytes) -> Any:
    """Read a JSON document; as in Go, invalid Unicode becomes U+FFFD.

    Raises:
        ValueError: it is invalid; with the message of Go's decoder.
    """
    text = content.decode(errors="replace")
    try:
        found = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(_complaint(content) or str(error)) from error
    return _without_halves(found) if _HALF.search(text) else found


def _without_halves(value: Any) -> Any:
    """Replace halves of surrogate pairs, which can be neither sent nor stored."""
    plain = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass")
    return json.loads(plain.decode("utf-16", "replace"))


def _complaint(content: bytes) -> str:
    # One character a byte, as Go shows invalid input.
    text = content.decode("latin-1")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text):
            return "unexpected end of JSON input"
        found = text[error.pos]
        shown = f"\\x{ord(found):02x}" if ord(found) > 0x7E else found
        return f"invalid character '{shown}' {_WORDS.get(error.msg, 'in string literal')}"
    return ""

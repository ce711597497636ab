"""JSON that cannot be read, in the words in which the real server says so."""

import json
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
"""By what Python's decoder says."""


def loads(content: bytes) -> Any:
    """Read a JSON document.

    Raises:
        ValueError: it is none; the message is what Go's decoder would say.
    """
    # One character a byte, as Go looks at what it cannot read.
    text = content.decode("latin-1")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text):
            raise ValueError("unexpected end of JSON input") from error
        found = text[error.pos]
        shown = f"\\x{ord(found):02x}" if ord(found) > 0x7E else found
        words = _WORDS.get(error.msg, "in string literal")
        raise ValueError(f"invalid character '{shown}' {words}") from error
    return json.loads(content)

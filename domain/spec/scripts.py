"""The text of a user's script: what is refused before it runs anywhere."""

from typing import Annotated

from pydantic import AfterValidator, Field

from domain.kernel.errors import InvalidSpec

MOST_SCRIPT = 256 * 1024
"""Bytes of a script; larger things are fetched by it."""


def check_script(text: str, what: str = "the script") -> str:
    """Check a script before anything runs. Returns: the script.

    Raises:
        InvalidSpec: it is empty or too long, or has bytes on which bash fails half way.
    """
    if not text.strip():
        raise InvalidSpec(f"{what} is empty")
    if (size := len(text.encode())) > MOST_SCRIPT:
        raise InvalidSpec(f"{what} has {size} bytes; {MOST_SCRIPT} are allowed: let it fetch more")
    if "\0" in text:
        raise InvalidSpec(f"{what} is no text: it has a zero byte")
    if "\r" in text:
        line = text[: text.index("\r")].count("\n") + 1
        raise InvalidSpec(
            f"{what} has a carriage return in line {line}, as files of Windows do, and bash would "
            "fail on it; remove them with: sed -i 's/\\r$//' FILE"
        )
    return text


def _checked(script: str) -> str:
    try:
        return check_script(script)
    except InvalidSpec as error:
        raise ValueError(str(error)) from error


StoredScript = Annotated[
    str,
    Field(min_length=1, max_length=20_000, description="Lines of bash"),
    AfterValidator(_checked),
]
"""A script within a description, which the cluster stores: no secret belongs in it."""

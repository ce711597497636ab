"""Whole numbers on the command line."""

from collections.abc import Sequence

from cyclopts import Token

from domain.kernel.errors import InvalidSpec


def whole_number(kind: object, tokens: Sequence[Token]) -> int:
    """Convert a flag's value. The parser itself would make 3 of 2.6, and buy a machine.

    Raises:
        InvalidSpec: it is no whole number.
    """
    (token,) = tokens
    try:
        return int(token.value)
    except ValueError:
        words = f"{token.keyword or ''} {token.value}".strip()
        raise InvalidSpec(f"{words} is no whole number") from None

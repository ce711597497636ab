"""Whole numbers on the command line."""

from collections.abc import Sequence

from cyclopts import Token

from domain.kernel.errors import InvalidSpec


def whole_number(kind: object, tokens: Sequence[Token]) -> int:
    """Convert a flag's value; the parser itself would round 2.6 to 3 and buy a machine.

    Raises:
        InvalidSpec: the value is not a whole number.
    """
    (token,) = tokens
    try:
        return int(token.value)
    except ValueError:
        words = f"{token.keyword or ''} {token.value}".strip()
        raise InvalidSpec(f"{words} is not a whole number") from None

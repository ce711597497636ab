"""Lists and counts in words, the same in every sentence."""

from collections.abc import Sequence


def first_of(names: Sequence[str], most: int = 5) -> str:
    """Name the first few and count the others: `a, b, c, d, e and 4 more`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def begin(sentence: str) -> str:
    """A sentence with a capital letter; names in it stay as they are."""
    return sentence[:1].upper() + sentence[1:]


def count_machines(count: int) -> str:
    return "1 machine" if count == 1 else f"{count} machines"

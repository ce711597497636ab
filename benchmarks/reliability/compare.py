"""The difference between what a struck run left and what an undisturbed one leaves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

Holdings = Mapping[str, Mapping[str, int]]
"""How often each thing exists, by its kind and description."""


class Fault(StrEnum):
    """What is wrong after a point."""

    DUPLICATE = "duplicate"
    MISSING = "missing"
    LEAK = "leak"
    DIFFERENT = "different"
    HANG = "hang"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Difference:
    fault: Fault
    text: str


def compare(expected: Holdings, seen: Holdings) -> tuple[Difference, ...]:
    """Name every kind of which something is missing, too many or different.

    Nothing at all is expected after a teardown: what exists then is a leak.
    """
    return tuple(_differences(expected, seen))


def _differences(expected: Holdings, seen: Holdings) -> Iterator[Difference]:
    for kind in sorted({*expected, *seen}):
        wanted, found = expected.get(kind, {}), seen.get(kind, {})
        if wanted == found:
            continue
        yield Difference(_fault(expected, wanted, found), f"{kind}: {_words(wanted, found)}")


def _fault(expected: Holdings, wanted: Mapping[str, int], found: Mapping[str, int]) -> Fault:
    if not expected:
        return Fault.LEAK
    more = sum(found.values()) - sum(wanted.values())
    if more:
        return Fault.DUPLICATE if more > 0 else Fault.MISSING
    return Fault.DIFFERENT


def _words(wanted: Mapping[str, int], found: Mapping[str, int]) -> str:
    things = sorted({*wanted, *found})
    changed = [name for name in things if wanted.get(name, 0) != found.get(name, 0)]
    return "; ".join(f"{wanted.get(n, 0)} wanted, {found.get(n, 0)} exist: {n}" for n in changed)

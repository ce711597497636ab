"""Points of the matrix: a stage of the cluster's life, one of its changing calls, a trouble."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from random import Random
from typing import TypeVar

from benchmarks.reliability.troubles import TROUBLES, Side, Trouble

W = TypeVar("W", bound=StrEnum)


class Stage(StrEnum):
    """The commands of one cycle, in their order."""

    PROVISION = "provision"
    SCALE_OUT = "scale-out"
    SCALE_IN = "scale-in"
    TEARDOWN = "teardown"


@dataclass(frozen=True, slots=True)
class Site:
    """One changing call of a stage.

    Attributes:
        name: the action, or verb and resource, or command; the same in each undisturbed run.
        number: which call of that name it is, counted from 1.
    """

    stage: Stage
    side: Side
    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.stage}:{self.side}:{self.name}#{self.number}"


@dataclass(frozen=True, slots=True)
class Point:
    """A site and its trouble; as text, such as `provision:cloud:RunInstances#1:reply-lost`."""

    site: Site
    trouble: Trouble

    def __str__(self) -> str:
        return f"{self.site}:{self.trouble}"


def parse_point(text: str) -> Point:
    """Read a point as it is printed.

    Raises:
        ValueError: a part is missing or unknown; the message names the valid words.
    """
    parts = text.split(":")
    if len(parts) != 4 or "#" not in parts[2]:
        raise ValueError(f"{text!r} is not a point such as {EXAMPLE}")
    stage, side, call, trouble = parts
    name, _, number = call.rpartition("#")
    if not number.isdecimal() or int(number) < 1:
        raise ValueError(f"{text!r}: after # comes a number, counted from 1")
    site = Site(_word(Stage, stage), _word(Side, side), name, int(number))
    point = Point(site, _word(Trouble, trouble))
    if point.trouble not in TROUBLES[site.side]:
        words = ", ".join(TROUBLES[site.side])
        raise ValueError(f"{text!r}: the troubles of {site.side} are {words}")
    return point


EXAMPLE = "provision:cloud:RunInstances#1:reply-lost"


def _word(words: type[W], text: str) -> W:
    try:
        return words(text)
    except ValueError:
        raise ValueError(f"{text!r} is none of {', '.join(words)}") from None


def all_points(sites: Sequence[Site]) -> list[Point]:
    """Every site with every trouble of its side."""
    return [Point(site, trouble) for site in sites for trouble in TROUBLES[site.side]]


def choose(points: Sequence[Point], count: int | None, seed: int) -> list[Point]:
    """Choose points: each site once with the least used trouble, then each trouble in turn.

    Args:
        count: how many; None for all.
    """
    if count is None or count >= len(points):
        return list(points)
    chance = Random(seed)
    shuffled = chance.sample(points, len(points))
    used: Counter[tuple[Side, Trouble]] = Counter()
    chosen: dict[Point, None] = {}  # in their order

    def take(point: Point) -> None:
        chosen[point] = None
        used[_kind(point)] += 1

    by_site: dict[Site, list[Point]] = {}
    for point in shuffled:
        by_site.setdefault(point.site, []).append(point)
    for candidates in by_site.values():
        take(min(candidates, key=lambda point: used[_kind(point)]))
    by_kind: dict[tuple[Side, Trouble], list[Point]] = {}
    for point in shuffled:
        if point not in chosen:
            by_kind.setdefault(_kind(point), []).append(point)
    while len(chosen) < count:
        take(by_kind[min((kind for kind in by_kind if by_kind[kind]), key=used.__getitem__)].pop())
    return list(chosen)[:count]


def _kind(point: Point) -> tuple[Side, Trouble]:
    return point.site.side, point.trouble


def into_cycles(points: Sequence[Point]) -> list[dict[Stage, Point]]:
    """Put points into as few cycles as possible: one cycle strikes each of its stages once."""
    by_stage: Mapping[Stage, list[Point]] = {
        stage: [point for point in points if point.site.stage is stage] for stage in Stage
    }
    rows = zip_longest(*by_stage.values())
    return [
        {stage: point for stage, point in zip(Stage, row, strict=True) if point} for row in rows
    ]

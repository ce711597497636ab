"""Synthetic load, the same for the same resource, meter and moment.

Each machine has its own base and amplitude, a daily cycle and noise; its disk and its network
follow its processor. Nothing is measured: the programs on a machine have no influence.
"""

import math
from collections.abc import Callable
from datetime import datetime
from random import Random

DAY = 86_400.0
Value = int | str | list[int]


def seeded(*words: object) -> Random:
    return Random(" ".join(map(str, words)))  # noqa: S311 - no secret


def share(resource_id: str, subject: str, at: datetime) -> float:
    """Return the load of a subject of a resource, from 0 to 1."""
    own = seeded(resource_id, subject)
    base, swing, peak = own.uniform(0.05, 0.35), own.uniform(0.05, 0.3), own.uniform(0, DAY)
    wave = (1 + math.cos(2 * math.pi * (at.timestamp() - peak) / DAY)) / 2
    tremble = seeded(resource_id, subject, int(at.timestamp())).gauss(0, 0.03)
    return min(max(base + swing * wave + tremble, 0.0), 1.0)


def per_mille(resource_id: str, meter: str, at: datetime) -> Value:
    return round(1000 * share(resource_id, meter, at))


def pair(most: float) -> Callable[[str, str, datetime], Value]:
    """Return a meter of two directions, each at most `most`."""

    def read(resource_id: str, meter: str, at: datetime) -> Value:
        busy = share(resource_id, "cpu", at)
        halves = (share(resource_id, f"{meter} {way}", at) for way in ("in", "out"))
        return [round(most * busy * half) for half in halves]

    return read


def filling(size_gib: int, path: str) -> Callable[[str, str, datetime], Value]:
    """Return the meter of a file system: `path|percent|used MB|free MB`."""

    def read(resource_id: str, meter: str, at: datetime) -> Value:
        total = size_gib * 1024
        used = round(total * (0.1 + 0.5 * share(resource_id, meter, at)))
        return f"{path}|{round(100 * used / total)}|{used}|{total - used}"

    return read

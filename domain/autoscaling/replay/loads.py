"""Loads of a replay: the number of wanted pods over time."""

import csv
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from math import cos, pi

from domain.kernel.errors import InvalidSpec
from domain.spec.metrics import PODS

HOUR = 3600.0
MOST_PODS = 200_000


@dataclass(frozen=True, slots=True)
class Load:
    """A load by name; `pods` gives the wanted number at a time in seconds after the start.

    `hours` is the length of one period.
    """

    name: str
    pods: Callable[[float], int]
    hours: float = 4.0


def constant(pods: int) -> Load:
    """The same number all the time."""
    return Load(f"constant:{pods}", lambda seconds: pods)


def burst(pods: int) -> Load:
    """A fifth of the number, after 20 minutes all of it, after 2 hours a fifth again."""
    low = pods // 5
    return Load(f"burst:{pods}", lambda seconds: pods if 1200 <= seconds < 2 * HOUR else low)


def daily(pods: int) -> Load:
    """A wave of a day: a fifth of the number at 04:00, all of it at 16:00."""
    low = pods / 5

    def wanted(seconds: float) -> int:
        wave = (1 - cos((seconds / HOUR - 4) / 24 * 2 * pi)) / 2
        return round(low + (pods - low) * wave)

    return Load(f"daily:{pods}", wanted, 24.0)


def sawtooth(pods: int) -> Load:
    """Rises from a fifth to the whole number in an hour, then falls at once, repeatedly."""
    low = pods / 5
    return Load(
        f"sawtooth:{pods}", lambda seconds: round(low + (pods - low) * (seconds % HOUR / HOUR))
    )


_PRESETS: dict[str, Callable[[int], Load]] = {
    "constant": constant,
    "burst": burst,
    "daily": daily,
    "sawtooth": sawtooth,
}


def parse_load(words: str) -> Load | None:
    """Parse `constant:150`, or `burst`, `daily`, `sawtooth` with or without a number (150).

    Returns: None for another word, which may be the name of a file.

    Raises:
        InvalidSpec: the number is invalid or too large.
    """
    name, _, number = words.partition(":")
    if name not in _PRESETS:
        return None
    if not (number or "150").isdecimal() or int(number or 150) > MOST_PODS:
        raise InvalidSpec(f"load {words!r}: write a number of pods up to {MOST_PODS} after the :")
    return _PRESETS[name](int(number or 150))


def load_names() -> str:
    return ", ".join(_PRESETS)


def recorded(text: str, name: str) -> Load:
    """Parse recorded samples: CSV with the columns `time` and `pods`, or the metrics' tidy frame.

    Times are seconds or ISO 8601; a sample holds until the next one. Of a tidy frame the samples
    of `podsNum` at the same time are summed.

    Raises:
        InvalidSpec: a line cannot be read; the message names it.
    """
    sums: dict[float, float] = defaultdict(float)
    rows = csv.DictReader(StringIO(text))
    for row in rows:
        if row.get("metric") in (None, PODS):
            moment, pods = _sample(row, rows.line_num, name)
            sums[moment] += pods
    if not sums:
        raise InvalidSpec(f"{name} has no samples; it needs the columns `time` and `pods`")
    times = sorted(sums)
    values = [round(sums[moment]) for moment in times]
    start = times[0]

    def wanted(seconds: float) -> int:
        return values[bisect_right(times, start + seconds) - 1]

    return Load(name, wanted, max((times[-1] - start) / HOUR, 0.5))


def _sample(row: Mapping[str, str | None], line: int, name: str) -> tuple[float, float]:
    try:
        moment = _seconds(row["time"] or "")
        pods = float(row.get("pods") or row["value"] or "")
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidSpec(
            f"{name}, line {line}: needs a `time` in seconds or ISO 8601, and `pods`"
        ) from error
    if not 0 <= pods <= MOST_PODS:
        raise InvalidSpec(f"{name}, line {line}: {pods:g} pods are not between 0 and {MOST_PODS}")
    return moment, pods


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()

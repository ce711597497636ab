"""The data of the page's charts as one JSON document, for the script in the page.

Times are whole seconds since 1970. In a line, null is a break, and "" a slice between two samples
that the line crosses.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any

from domain.reports.dashboard.records import Dashboard, Series
from domain.reports.dashboard.words import in_chinese

Value = float | str | None


def chart_data(board: Dashboard) -> dict[str, Any]:
    """The document, ready for `json.dumps`."""
    return {
        "times": [_seconds(time) for time in board.times],
        "charts": [
            _chart(board, list(series))
            for _, series in groupby(board.series, key=lambda one: one.metric)
        ],
        "sizes": {
            group: [[_seconds(time), size] for time, size in steps]
            for group, steps in board.sizes.items()
        },
        "scalings": [[_seconds(one.time), one.group, one.change] for one in board.events],
        "alarms": [
            [_seconds(one.begin), _seconds(one.end or board.until), str(one.level)]
            for one in board.alarms
        ],
        "until": _seconds(board.until),
    }


def as_script(data: dict[str, Any]) -> str:
    """JSON that may stand inside a script element: no text of it can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _chart(board: Dashboard, series: Sequence[Series]) -> dict[str, Any]:
    first = series[0]
    times = board.times
    lines = (line for line in board.machine_lines if line.metric == first.metric)
    return {
        "metric": first.metric,
        "title": first.title,
        "zh": in_chinese(first.title),
        "unit": first.unit,
        "groups": [_group(board, one) for one in series],
        "machines": [
            {"group": line.group, "name": line.machine, "values": [*_aligned(times, line.points)]}
            for line in lines
        ],
    }


def _group(board: Dashboard, series: Series) -> dict[str, Any]:
    def values(read: Callable[[Any], float]) -> list[Value]:
        points = [(one.time, read(one)) if one else None for one in series.points]
        return list(_aligned(board.times, points))

    return {
        "group": series.group,
        "average": values(lambda point: point.average),
        "minimum": values(lambda point: point.minimum),
        "maximum": values(lambda point: point.maximum),
    }


def _aligned(
    times: Sequence[datetime], points: Sequence[tuple[datetime, float] | None]
) -> Iterator[Value]:
    """One value for each time: four digits of it, null where the line breaks, or ""."""
    values = {point[0]: point[1] for point in points if point}
    broken = {before[0] for before, after in pairwise(points) if before and not after}
    breaks = False
    for time in times:
        if time in values:
            yield float(f"{values[time]:.4g}")
            breaks = time in broken
        else:
            yield None if breaks else ""


def _seconds(time: datetime) -> int:
    return int(time.timestamp())

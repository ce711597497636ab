"""A plot over time: the positions of moments and numbers, axes and lines."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import ceil, floor, log10
from typing import TypeVar

from domain.reports.drawing import svg

T = TypeVar("T")

GRID = "#e6ebf0"
AXIS = "#8fa1b3"

MOST_TIME_TICKS = 6
_TIME_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)  # minutes
_BYTES = ("", "k", "M", "G", "T")


@dataclass(frozen=True, slots=True)
class Plot:
    """A rectangle of the page with a time axis below and a number axis at its left.

    `least` and `most` are the numbers at its lower and upper edge.
    """

    x: float
    y: float
    width: float
    height: float
    since: datetime
    until: datetime
    zone: tzinfo
    least: float = 0.0
    most: float = 1.0

    def at(self, moment: datetime) -> float:
        """The x of a moment; moments outside are on the edge."""
        share = (moment - self.since) / max(self.until - self.since, timedelta(seconds=1))
        return self.x + self.width * min(max(share, 0.0), 1.0)

    def level(self, value: float) -> float:
        """The y of a number."""
        share = (value - self.least) / ((self.most - self.least) or 1.0)
        return self.y + self.height * (1 - min(max(share, 0.0), 1.0))

    def time_axis(self) -> str:
        """The line below, its grid, and clock times; dates where the day changes."""
        bottom = self.y + self.height
        parts = [svg.line(self.x, bottom, self.x + self.width, bottom, colour=AXIS)]
        ticks = time_ticks(self.since, self.until, self.zone)
        of_days = len(ticks) > 1 and ticks[1] - ticks[0] >= timedelta(days=1)
        day = None
        for moment in ticks:
            x = self.at(moment)
            parts.append(svg.line(x, self.y, x, bottom, colour=GRID))
            is_new = day is not None and moment.date() != day
            words = f"{moment:%m-%d}" if of_days or is_new else f"{moment:%H:%M}"
            day = moment.date()
            parts.append(svg.caption(x, bottom + 16, words, size=11, anchor="middle"))
        return "".join(parts)

    def number_axis(self, unit: str) -> str:
        """Level lines with their numbers."""
        step = number_step(self.most - self.least)
        first, last = ceil(self.least / step - 1e-9), floor(self.most / step + 1e-9)
        parts = []
        for value in (number * step for number in range(first, last + 1)):
            y = self.level(value)
            words = format_number(value, unit, with_unit=False)
            parts.append(svg.line(self.x, y, self.x + self.width, y, colour=GRID))
            parts.append(svg.caption(self.x - 8, y + 4, words, size=11, anchor="end"))
        return "".join(parts)

    def line(
        self, points: Iterable[tuple[datetime, float] | None], colour: str, width: float = 2
    ) -> str:
        """A line through points, broken at each None; a single point is a dot."""
        parts = []
        for run in _runs(points):
            places = [(self.at(moment), self.level(value)) for moment, value in run]
            if len(places) == 1:
                [(x, y)] = places
                parts.append(svg.element("circle", cx=x, cy=y, r=width * 1.3, fill=colour))
            else:
                parts.append(
                    svg.element(
                        "polyline",
                        points=svg.points(places),
                        fill="none",
                        stroke=colour,
                        stroke_width=width,
                        stroke_linejoin="round",
                        stroke_linecap="round",
                    )
                )
        return "".join(parts)

    def band(self, points: Iterable[tuple[datetime, float, float] | None], colour: str) -> str:
        """The area between two numbers over time, broken at each None."""
        parts = []
        for run in _runs(points):
            lower = [(self.at(moment), self.level(low)) for moment, low, _ in run]
            upper = [(self.at(moment), self.level(high)) for moment, _, high in run]
            places = svg.points([*lower, *reversed(upper)])
            parts.append(
                svg.element("polygon", points=places, fill=colour, fill_opacity=0.14, stroke="none")
            )
        return "".join(parts)

    def mark(self, moment: datetime, colour: str) -> str:
        """A dashed vertical line."""
        x = self.at(moment)
        return svg.element(
            "line",
            x1=x,
            y1=self.y,
            x2=x,
            y2=self.y + self.height,
            stroke=colour,
            stroke_dasharray="3 3",
        )


def round_up(value: float) -> float:
    """The upper edge for a largest value: a whole number of steps."""
    if value <= 0:
        return 1.0
    step = number_step(value)
    return ceil(value / step - 1e-9) * step


def number_step(span: float) -> float:
    """The distance of level lines, 1, 2 or 5 times a power of ten, so that there are about four."""
    raw = max(span, 1e-9) / 4
    decade = 10.0 ** floor(log10(raw))
    return next(decade * factor for factor in (1, 2, 5, 10) if decade * factor >= raw * (1 - 1e-9))


def time_ticks(since: datetime, until: datetime, zone: tzinfo) -> list[datetime]:
    """Round clock times of the zone inside a span, at most `MOST_TIME_TICKS` + 1."""
    minutes = (until - since) / timedelta(minutes=1)
    step = next(
        (tick for tick in _TIME_TICKS if minutes / tick <= MOST_TIME_TICKS),
        ceil(minutes / MOST_TIME_TICKS / 1440) * 1440,
    )
    start = since.astimezone(zone)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = ceil((start - midnight) / timedelta(minutes=step))
    ticks = []
    moment = midnight + timedelta(minutes=step) * passed
    while moment <= until:
        ticks.append(moment)
        moment += timedelta(minutes=step)
    return ticks


def format_number(value: float, unit: str, *, with_unit: bool = True) -> str:
    """Format a measured number with three digits: `12.5 %`, `3.2 MB/s`, `31 pods`."""
    prefix = ""
    if unit == "B/s":
        size = 0
        while abs(value) >= 1000 and size < len(_BYTES) - 1:
            value, size = value / 1000, size + 1
        prefix = _BYTES[size]
    number = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if not with_unit:
        return number + prefix
    words = f"{prefix}{unit}"
    return f"{number} {words}" if words else number


def _runs(points: Iterable[T | None]) -> list[list[T]]:
    """Split at each None."""
    runs: list[list[T]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]

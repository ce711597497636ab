"""The time line of a run: begin and duration of each step."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil, floor, log10

from domain.kernel.durations import format_seconds
from domain.reports.cluster import Step, Timeline
from domain.reports.drawing import svg
from domain.reports.drawing.svg import Block, stack

WIDTH = 1000.0
MARGIN = 24.0
MOST_LANES = 60
MOST_TICKS = 8

_LABELS = 250.0  # room for the names of the steps
_PLOT_X = MARGIN + _LABELS + 12
_PLOT = WIDTH - MARGIN - _PLOT_X
_LANE = 24.0
_TOP = 92.0

_ROUND_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)


@dataclass(frozen=True, slots=True)
class _Scale:
    """The positions of moments on the page."""

    start: datetime
    seconds: float

    def x(self, moment: datetime) -> float:
        return _PLOT_X + (moment - self.start).total_seconds() / self.seconds * _PLOT


def draw_timeline(timeline: Timeline) -> str:
    """Draw the steps as bars, one lane each in the order of their start, as an SVG document.

    Of more than `MOST_LANES` steps the shortest successful ones are counted instead of drawn.
    """
    steps = _choose_lanes(timeline)
    left_out = len(timeline.steps) - len(steps)
    lanes_height = max(len(steps), 1) * _LANE
    seconds = max(timeline.seconds, 0.0) or 1.0
    body = [
        _heading(timeline),
        svg.group(MARGIN - 8, _TOP, _stripes(len(steps))),
        svg.group(_PLOT_X, _TOP, _axis(seconds, lanes_height)),
    ]
    if steps:
        scale = _Scale(min(step.started for step in timeline.steps), seconds)
        lanes = stack((_lane(step, scale) for step in steps), 0)
        body.append(svg.group(0, _TOP, lanes.svg))
    else:
        body.append(svg.text(MARGIN, _TOP + 16, "no step has run", colour=svg.MUTED))
    height = _TOP + lanes_height + MARGIN
    if left_out:
        words = f"… and {left_out} more steps"
        body.append(svg.caption(MARGIN, height, words))
        height += 16
    return svg.document(WIDTH, height, _title(timeline), "".join(body))


def choose_tick(seconds: float) -> float:
    """The distance of the axis' ticks in seconds: round, and at most `MOST_TICKS` fit in."""
    least = seconds / MOST_TICKS
    if least > 0.5:
        days = ceil(least / 86400) * 86400
        return float(next((tick for tick in _ROUND_TICKS if tick >= least), days))
    decade = 10.0 ** floor(log10(max(least, 0.001)))
    return next(decade * factor for factor in (1, 2, 5, 10) if decade * factor >= least)


def _choose_lanes(timeline: Timeline) -> list[Step]:
    if len(timeline.steps) <= MOST_LANES:
        return sorted(timeline.steps, key=lambda step: step.started)
    ranked = sorted(timeline.steps, key=lambda step: (not step.failed, -_seconds(step)))
    return sorted(ranked[:MOST_LANES], key=lambda step: step.started)


def _seconds(step: Step) -> float:
    return max((step.ended - step.started).total_seconds(), 0.0)


def _title(timeline: Timeline) -> str:
    return f"{timeline.title}: {format_seconds(timeline.seconds)}"


def _heading(timeline: Timeline) -> str:
    failed = sum(step.failed for step in timeline.steps)
    count = len(timeline.steps)
    words = "1 step" if count == 1 else f"{count} steps"
    busy = sum(_seconds(step) for step in timeline.steps)
    if count > 1:
        words += f", {format_seconds(busy)} of work"
    heading = svg.text(MARGIN, 38, _title(timeline), size=20, bold=True, room=WIDTH - 2 * MARGIN)
    heading += svg.text(MARGIN, 60, words, colour=svg.MUTED)
    if failed:
        x = MARGIN + svg.width_of(words, 13) + 20
        heading += svg.cross(x, 55.5)
        heading += svg.text(x + 13, 60, f"{failed} failed", bold=True, colour=svg.RED)
    return heading


def _axis(seconds: float, height: float) -> str:
    tick = choose_tick(seconds)
    parts = [svg.line(0, 0, _PLOT, 0, colour="#8fa1b3")]
    for index in range(floor(seconds / tick + 1e-6) + 1):
        x = index * tick / seconds * _PLOT
        parts.append(svg.line(x, -4, x, height, colour="#dfe5ea"))
        anchor = "start" if index == 0 else "end" if x > _PLOT - 20 else "middle"
        words = _tick_words(index * tick)
        parts.append(svg.caption(x, -9, words, size=11, anchor=anchor))
    return "".join(parts)


def _tick_words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02} h"


def _stripes(count: int) -> str:
    width = WIDTH - 2 * MARGIN + 16
    return "".join(
        svg.bar(0, index * _LANE, width, _LANE, svg.PANEL) for index in range(1, count, 2)
    )


def _lane(step: Step, scale: _Scale) -> Block:
    width = max(scale.x(step.ended) - scale.x(step.started), 3.0)
    x = min(scale.x(step.started), _PLOT_X + _PLOT - width)
    return Block(_label(step) + _bar(x, width, step.failed) + _bar_words(step, x, width), _LANE)


def _label(step: Step) -> str:
    if not step.failed:
        return svg.text(MARGIN, 16.5, step.name, room=_LABELS)
    sign = svg.cross(MARGIN + 7, _LANE / 2)
    return sign + svg.text(
        MARGIN + 20, 16.5, step.name, colour=svg.RED, bold=True, room=_LABELS - 20
    )


def _bar(x: float, width: float, failed: bool) -> str:
    if failed:
        return svg.rectangle(x, 5, width, 14, radius=3, fill="#fbdcdc", stroke=svg.RED, dashed=True)
    return svg.bar(x, 5, width, 14, "#5b8def")


def _bar_words(step: Step, x: float, width: float) -> str:
    """Duration and outcome, after the bar, else before it, else on it."""
    words = format_seconds(_seconds(step))
    if step.outcome:
        words += f" · {step.outcome}"
    after = _PLOT_X + _PLOT - (x + width) - 6
    before = x - _PLOT_X - 6
    needed = svg.width_of(words, 11)
    if after >= needed or (after >= before and after >= width):
        return svg.caption(x + width + 6, 16, words, size=11, room=after)
    if before >= needed or before >= width:
        return svg.caption(x - 6, 16, words, size=11, anchor="end", room=before)
    colour = svg.RED if step.failed else svg.PAPER
    return svg.text(x + 6, 16, words, size=11, bold=True, colour=colour, room=width - 12)

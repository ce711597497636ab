"""The picture of a replay: machines and pods over time, with a mark at each change."""

from collections.abc import Callable
from math import ceil

from domain.autoscaling.replay.loads import HOUR
from domain.autoscaling.replay.simulation import Moment, Replay
from domain.reports.drawing import svg
from domain.reports.drawing.timeline import choose_tick

WIDTH = 1000.0
MARGIN = 24.0
MOST_MARKS = 80

_LEFT = MARGIN + 56.0
_PLOT = WIDTH - MARGIN - _LEFT
_HIGH = 190.0
_TOP = 84.0
_GAP = 56.0


def draw_replay(replay: Replay) -> str:
    """Draw a replay as an SVG document: machines above, wanted and pending pods below."""
    machines = max(moment.machines for moment in replay.moments)
    pods = max(moment.wanted for moment in replay.moments)
    below = _TOP + _HIGH + _GAP
    body = [
        svg.text(MARGIN, 36, _title(replay), size=18, bold=True),
        svg.text(MARGIN, 58, _summary(replay), size=13, colour=svg.MUTED, room=WIDTH - 2 * MARGIN),
        svg.group(_LEFT, _TOP, *_frame("machines", machines), *_hours(replay, marked=False)),
        svg.group(_LEFT, _TOP, _area(replay, machines, lambda m: m.machines, svg.BLUE)),
        svg.group(_LEFT, _TOP, *_marks(replay)),
        svg.group(_LEFT, below, *_frame("pods, red: waiting", pods), *_hours(replay, marked=True)),
        svg.group(_LEFT, below, _area(replay, pods, lambda m: m.wanted, svg.GREY)),
        svg.group(_LEFT, below, _area(replay, pods, lambda m: m.waiting, svg.RED)),
    ]
    return svg.document(WIDTH, below + _HIGH + 40, _title(replay), "".join(body))


def _title(replay: Replay) -> str:
    guards = "" if replay.scenario.guarded else ", without guards"
    return f"Replay of {replay.scenario.load.name}{guards}"


def _summary(replay: Replay) -> str:
    rest = f"settles at {replay.resting_size}" if replay.settles else "never settles"
    return (
        f"{replay.additions} additions, {replay.removals} removals in "
        f"{replay.scenario.hours:g} hours; {rest}; {replay.machine_hours:.1f} machine-hours; "
        f"pods waited {replay.pod_minutes:.0f} minutes in all"
    )


def _frame(title: str, most: int) -> list[str]:
    top = max(most, 1)
    parts = [svg.text(0, -8, title, size=12, bold=True)]
    for value in sorted({0, ceil(top / 2), top}):
        y = _HIGH - value / top * _HIGH
        parts.append(svg.line(0, y, _PLOT, y, colour="#dfe5ea"))
        parts.append(svg.caption(-8, y + 4, str(value), size=11, anchor="end"))
    return parts


def _hours(replay: Replay, *, marked: bool) -> list[str]:
    seconds = replay.scenario.hours * HOUR
    tick = max(choose_tick(seconds), 60.0)
    parts = []
    for index in range(int(seconds / tick + 1e-6) + 1):
        x = index * tick / seconds * _PLOT
        parts.append(svg.line(x, 0, x, _HIGH, colour="#eef1f4"))
        if marked:
            minutes = round(index * tick / 60)
            words = f"{minutes // 60}:{minutes % 60:02}"
            parts.append(svg.caption(x, _HIGH + 18, words, size=11, anchor="middle"))
    return parts


def _area(replay: Replay, most: int, value: Callable[[Moment], int], colour: str) -> str:
    """A filled line of steps, with a point only where the value changes."""
    seconds, top = replay.scenario.hours * HOUR, max(most, 1)
    points = [(0.0, _HIGH)]
    for moment in replay.moments:
        x, y = moment.seconds / seconds * _PLOT, _HIGH - value(moment) / top * _HIGH
        if y != points[-1][1]:
            points += [(x, points[-1][1]), (x, y)]
    points += [(_PLOT, points[-1][1]), (_PLOT, _HIGH)]
    return svg.element(
        "polygon", points=svg.points(points), fill=colour, fill_opacity=0.25, stroke=colour
    )


def _marks(replay: Replay) -> list[str]:
    """A triangle for each change, up or down; none where there are too many."""
    if len(replay.changes) > MOST_MARKS:
        return []
    seconds = replay.scenario.hours * HOUR
    parts = []
    for change in replay.changes:
        x, up = change.seconds / seconds * _PLOT, change.adds
        tip, foot = (_HIGH - 12, _HIGH - 3) if up else (_HIGH - 3, _HIGH - 12)
        points = [(x, tip), (x - 5, foot), (x + 5, foot)]
        colour = svg.GREEN if up else svg.RED
        parts.append(svg.element("polygon", points=svg.points(points), fill=colour))
    return parts

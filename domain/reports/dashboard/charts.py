"""The dashboard's charts, each a complete SVG document of the same width."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal

from domain.kernel.money import format_yuan
from domain.kernel.names import MASTERS, NODES
from domain.observe.cost import total
from domain.reports.dashboard.records import (
    AlarmSpan,
    Dashboard,
    NodePods,
    Point,
    ScaleEvent,
    Series,
)
from domain.reports.drawing import svg
from domain.reports.drawing.plot import Plot, format_number, round_up
from domain.spec.alarms import Level

WIDTH = 560.0
HEIGHT = 262.0
MARGIN = 18.0
MOST_NODES = 40
MOST_ALARMS = 24
MOST_DAYS = 31
MOST_MARKS = 24

_LEFT = 58.0
_TOP = 68.0
_COLOURS = {NODES: "#2f6fde", MASTERS: "#8250c4"}
_OTHERS = "#0d7f7a"
_MARK = "#d9bf93"
_APART = 22.0
_LINES: tuple[tuple[Callable[[Point], float], float], ...] = (
    (lambda point: point.maximum, 0.8),
    (lambda point: point.minimum, 0.8),
    (lambda point: point.average, 2.2),
)
"""The lines of a metric, each with its width."""
LegendEntry = tuple[str, str, str]
"""Colour, name and current value."""

_LEVELS = {Level.WARNING: "#e0a100", Level.ERROR: "#d33a3a"}


def draw_metric(board: Dashboard, series: Sequence[Series], zone: tzinfo) -> str:
    """Draw a metric: each group's average as a line, its range as a band, scalings as marks."""
    first = series[0]
    most = max(point.maximum for one in series for point in one.points if point)
    least = min(point.minimum for one in series for point in one.points if point)
    least = -round_up(-least) if least < 0 else 0.0
    plot = _plot(board, zone, least, round_up(most))
    parts = [
        plot.number_axis(first.unit),
        plot.time_axis(),
        *_marks(plot, board.events),
    ]
    for one in series:
        colour = _colour(one.group)
        parts.append(
            plot.band([(p.time, p.minimum, p.maximum) if p else None for p in one.points], colour)
        )
        for value, width in _LINES:
            line = [(p.time, value(p)) if p else None for p in one.points]
            parts.append(plot.line(line, colour, width))
    named = not first.unit or first.unit in first.title.lower()
    title = first.title if named else f"{first.title} ({first.unit})"
    return _card(title, HEIGHT, _legend_of(series) + "".join(parts), first.metric)


def draw_sizes(board: Dashboard, zone: tzinfo) -> str:
    """Draw the number of machines of each group, with the change of each scaling."""
    most = max((size for steps in board.sizes.values() for _, size in steps), default=0)
    plot = _plot(board, zone, 0, round_up(max(1.25 * most, 4)))  # words stand above the lines
    parts = [plot.number_axis("machines"), plot.time_axis()]
    for group, steps in board.sizes.items():
        parts.append(plot.line(_stairs(steps), _colour(group), 2.2))
    parts += [*_marks(plot, board.events), *_event_words(plot, board.events)]
    legend = [
        (_colour(group), group, f"{steps[-1][1]} now") for group, steps in board.sizes.items()
    ]
    return _card("Machines and scalings", HEIGHT, _legend(legend) + "".join(parts))


def draw_pods(pods: Sequence[NodePods]) -> str:
    """Draw the workload pods of each node; of too many nodes the fullest, the others counted."""
    shown = pods[:MOST_NODES]
    most = max((max(line.pods, line.room) for line in shown), default=0) or 1
    left, lane = 170.0, 20.0
    width = WIDTH - left - 80
    parts = []
    for index, line in enumerate(shown):
        y = 52 + index * lane
        parts.append(svg.text(MARGIN, y + 12, line.node, size=12, room=left - MARGIN - 10))
        track = max(width * max(line.room, line.pods) / most, 2)
        parts.append(svg.bar(left, y + 2, track, 12, "#e9eef4"))
        if line.pods:
            full = line.room and line.pods >= line.room
            colour = _LEVELS[Level.ERROR] if full else _colour(line.group)
            parts.append(svg.bar(left, y + 2, width * line.pods / most, 12, colour))
        words = f"{line.pods} of {line.room}" if line.room else str(line.pods)
        parts.append(svg.caption(left + track + 8, y + 12, words))
    height = 52 + len(shown) * lane
    rest = pods[MOST_NODES:]
    if rest:
        words = f"… and {len(rest)} more nodes with {sum(line.pods for line in rest)} pods"
        parts.append(svg.caption(MARGIN, height + 14, words))
        height += 18
    if not pods:
        parts.append(_nothing("no sample of the last quarter of an hour"))
        height += 24
    return _card("Workload pods per node", height + 14, "".join(parts))


def draw_alarms(board: Dashboard, zone: tzinfo) -> str:
    """Draw when alarms fired: one lane for each rule and subject, newest lanes first."""
    lanes: dict[tuple[str, str], list[AlarmSpan]] = defaultdict(list)
    for span in sorted(board.alarms, key=lambda span: span.begin, reverse=True):
        lanes[span.rule, span.subject].append(span)
    shown = list(lanes.items())[:MOST_ALARMS]
    height = max(len(shown), 1) * 24.0
    left = 262.0
    plot = Plot(left, 52, WIDTH - left - MARGIN, height, board.since, board.until, zone)
    parts = [plot.time_axis()]
    for index, ((rule, subject), spans) in enumerate(shown):
        y = 52 + index * 24.0
        parts.append(
            svg.text(MARGIN, y + 16, f"{rule}: {subject}", size=12, room=left - MARGIN - 8)
        )
        for span in spans:
            begin, end = plot.at(span.begin), plot.at(span.end or board.until)
            bar = svg.bar(begin, y + 6, max(end - begin, 3), 12, _LEVELS[span.level])
            parts.append(svg.element("g", _tooltip(_format_span(span, zone)) + bar))
    if not shown:
        parts.append(_nothing("no alarm has fired"))
    if len(lanes) > len(shown):
        words = f"… and {len(lanes) - len(shown)} more alarms"
        parts.append(svg.caption(MARGIN, 52 + height + 16, words))
    return _card("Alarms that fired", 52 + height + 30, "".join(parts))


def draw_costs(board: Dashboard) -> str:
    """Draw the cost of each day by group."""
    days = sorted({cost.day for cost in board.costs})[-MOST_DAYS:]
    groups = sorted({cost.group for cost in board.costs})
    amounts: dict[tuple[date, str], Decimal] = {(c.day, c.group): c.yuan for c in board.costs}
    sums = {day: total(cost for cost in board.costs if cost.day == day) for day in days}
    most = round_up(float(max(sums.values(), default=Decimal(0))))
    plot = Plot(_LEFT, _TOP, WIDTH - _LEFT - MARGIN, 150, board.since, board.until, UTC, 0, most)
    parts = [plot.number_axis("yuan")]
    slot = plot.width / max(len(days), 7)
    for index, day in enumerate(days):
        x = plot.x + index * slot + slot * 0.15
        base = plot.y + plot.height
        for group in groups:
            yuan = amounts.get((day, group), Decimal(0))
            high = plot.height * float(yuan) / most
            base -= high
            words = _tooltip(f"{day}: {group} {format_yuan(yuan)}")
            shape = svg.bar(x, base, slot * 0.7, high, _colour(group), radius=0)
            parts.append(svg.element("g", words + shape))
        if index % (len(days) // 8 + 1) == 0:
            middle, foot = x + slot * 0.35, plot.y + plot.height + 16
            parts.append(svg.caption(middle, foot, f"{day:%m-%d}", size=11, anchor="middle"))
    foot = plot.y + plot.height
    parts.append(svg.line(plot.x, foot, plot.x + plot.width, foot, colour="#8fa1b3"))
    legend = [
        (
            _colour(group),
            group,
            format_yuan(total(c for c in board.costs if c.group == group and c.day in sums)),
        )
        for group in groups
    ]
    body = "".join(parts) if days else _nothing("no cost yet")
    return _card("Cost of each day (yuan)", HEIGHT, _legend(legend) + body)


def _plot(board: Dashboard, zone: tzinfo, least: float, most: float) -> Plot:
    width, height = WIDTH - _LEFT - MARGIN, HEIGHT - _TOP - 34
    return Plot(_LEFT, _TOP, width, height, board.since, board.until, zone, least, most)


def _card(title: str, height: float, body: str, note: str = "") -> str:
    heading = svg.text(MARGIN, 27, title, size=15, bold=True, room=WIDTH - 160)
    if note:
        heading += svg.caption(WIDTH - MARGIN, 27, note, size=11, anchor="end")
    return svg.document(WIDTH, height, title, heading + body)


def _legend(entries: Sequence[LegendEntry]) -> str:
    parts = []
    for index, (colour, name, words) in enumerate(entries):
        x = _end_of_legend(entries[:index]) + (_APART if index else 0)
        parts.append(svg.bar(x, 41, 10, 10, colour, radius=2))
        parts.append(svg.text(x + 16, 50, name, size=12))
        x += 22 + svg.width_of(name, 12)
        parts.append(svg.caption(x, 50, words))
    return "".join(parts)


def _end_of_legend(entries: Sequence[LegendEntry]) -> float:
    """The x of the end of the last entry."""
    widths = [22 + svg.width_of(name, 12) + svg.width_of(words, 12) for _, name, words in entries]
    return MARGIN + sum(widths) + _APART * max(len(widths) - 1, 0)


def _legend_of(series: Sequence[Series]) -> str:
    """The current value of each group, without the unit where that would be too long."""
    for with_unit in (True, False):
        entries = [
            (_colour(one.group), one.group or "whole cluster", _last(one, with_unit=with_unit))
            for one in series
        ]
        if _end_of_legend(entries) <= WIDTH - MARGIN:
            break
    return _legend(entries)


def _marks(plot: Plot, events: Sequence[ScaleEvent]) -> list[str]:
    """A mark for each scaling; none where they would hide the lines."""
    if len(events) > MOST_MARKS:
        return []
    return [plot.mark(event.time, _MARK) for event in events]


def _event_words(plot: Plot, events: Sequence[ScaleEvent]) -> list[str]:
    """The change of each scaling, where the text does not overlap the one before.

    Each group has its own row, because groups are created at the same moment.
    """
    parts = []
    free: dict[str, float] = {}
    for event in events:
        words = f"{event.change:+d}"
        width = svg.width_of(words, 12) * 1.1
        x = min(plot.at(event.time) + 4, WIDTH - MARGIN - width)
        if x < free.setdefault(event.group, plot.x):
            continue
        y = plot.y + 12 + 14 * list(free).index(event.group)
        shown = svg.text(x, y, words, size=12, bold=True, colour=_colour(event.group))
        tooltip = _tooltip(f"{event.group}: {words}, then {event.size} machines")
        parts.append(svg.element("g", tooltip + shown))
        free[event.group] = x + width + 8
    return parts


def _stairs(steps: Sequence[tuple[datetime, int]]) -> list[tuple[datetime, float]]:
    places: list[tuple[datetime, float]] = []
    for moment, size in steps:
        if places:
            places.append((moment, places[-1][1]))
        places.append((moment, float(size)))
    return places


def _last(series: Series, *, with_unit: bool) -> str:
    """The latest average, with minimum and maximum where they differ."""
    point = next(point for point in reversed(series.points) if point)
    words = format_number(point.average, series.unit, with_unit=with_unit)
    if point.minimum == point.maximum:
        return words
    least = format_number(point.minimum, series.unit, with_unit=False)
    most = format_number(point.maximum, series.unit, with_unit=False)
    return f"{words} ({least} to {most})"


def _format_span(span: AlarmSpan, zone: tzinfo) -> str:
    begin = f"{span.begin.astimezone(zone):%m-%d %H:%M}"
    end = f"{span.end.astimezone(zone):%m-%d %H:%M}" if span.end else "now"
    return f"{span.level}: {span.rule}, {span.subject}, {begin} to {end}"


def _tooltip(words: str) -> str:
    return svg.element("title", svg.escape_text(words))


def _nothing(words: str) -> str:
    return svg.text(MARGIN, 70, words, colour=svg.MUTED)


def _colour(group: str) -> str:
    return _COLOURS.get(group, _OTHERS)

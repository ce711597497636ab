"""The dashboard as one page that needs no network: its style and its charts are inside."""

from collections.abc import Iterator
from datetime import tzinfo
from itertools import groupby
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from domain.kernel.durations import format_seconds
from domain.kernel.money import format_rate, format_yuan
from domain.observe.alarms.states import Phase
from domain.observe.cost import total
from domain.reports.dashboard.charts import (
    draw_alarms,
    draw_costs,
    draw_metric,
    draw_pods,
    draw_sizes,
)
from domain.reports.dashboard.records import Dashboard
from domain.spec.alarms import Level

MOST_ROWS = 50


class _Tile(NamedTuple):
    number: str
    words: str
    bad: bool = False


def draw_charts(board: Dashboard, zone: tzinfo) -> tuple[str, ...]:
    """All charts in the page's order, as SVG documents."""
    metrics = [
        draw_metric(board, list(series), zone)
        for _, series in groupby(board.series, key=lambda one: one.metric)
    ]
    return (
        *metrics[:1],
        draw_sizes(board, zone),
        *metrics[1:],
        draw_pods(board.pods),
        draw_alarms(board, zone),
        draw_costs(board),
    )


def write_page(board: Dashboard, zone: tzinfo) -> str:
    """Fill the template of the page.

    Args:
        zone: the time zone of all times on the page.
    """
    troubles = board.troubles[:MOST_ROWS]
    left = len(board.troubles) - len(troubles)
    charts = draw_charts(board, zone)
    template = _environment(zone).get_template("page.html.jinja")
    return template.render(
        board=board,
        span=_format_span(board, zone),
        tiles=list(_tiles(board)),
        charts=[Markup(chart) for chart in charts],  # noqa: S704 the drawings escape
        cost_words=_cost_words(board),
        events=board.events[-MOST_ROWS:][::-1],
        undelivered=board.undelivered[-MOST_ROWS:],
        troubles=troubles,
        more_troubles=f" (the last {len(troubles)}, {left} more)" if left else "",
    )


def _environment(zone: tzinfo) -> Environment:
    environment = Environment(
        loader=PackageLoader("domain.reports.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["second"] = lambda time: f"{time.astimezone(zone):%m-%d %H:%M:%S}"
    environment.filters["minute"] = lambda time: f"{time.astimezone(zone):%m-%d %H:%M}"
    return environment


def _format_span(board: Dashboard, zone: tzinfo) -> str:
    since, until = board.since.astimezone(zone), board.until.astimezone(zone)
    span = format_seconds((until - since).total_seconds())
    offset = f"{until:%z}"
    clock = "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} ({clock}), {span}"


def _tiles(board: Dashboard) -> Iterator[_Tile]:
    firing = [state for state in board.active if state.phase is Phase.FIRING]
    errors = sum(state.level is Level.ERROR for state in firing)
    sizes = ", ".join(f"{steps[-1][1]} {group}" for group, steps in board.sizes.items())
    yield _Tile(str(board.machines), f"machines: {sizes}" if sizes else "machines")
    pods, room = sum(p.pods for p in board.pods), sum(p.room for p in board.pods)
    yield _Tile(f"{pods}", f"workload pods in {room} places" if room else "workload pods")
    words = f"alarms firing, {errors} of them errors" if firing else "alarms firing"
    yield _Tile(str(len(firing)), words, bad=bool(errors))
    if board.rate:
        at_least = "≥ " if board.rate.unknown else ""
        month = format_yuan(board.rate.per_month)
        yield _Tile(f"{at_least}{format_yuan(board.rate.per_hour)}", f"an hour; {month} a month")
    if board.costs:
        unknown = any(cost.unknown for cost in board.costs)
        spent = f"{'≥ ' if unknown else ''}{format_yuan(total(board.costs))}"
        yield _Tile(spent, "so far")
    if board.saving:
        saved = board.saving.yuan
        maximum = f"against {board.saving.maximum} nodes all the time"
        yield _Tile(
            "unknown" if saved is None else format_yuan(saved), f"saved by scaling, {maximum}"
        )


def _cost_words(board: Dashboard) -> str:
    words = [f"The cluster costs {format_rate(board.rate)}."] if board.rate else []
    unknown = sorted({kind for cost in board.costs for kind in cost.unknown})
    if unknown:
        words.append(
            f"Machines of type {', '.join(unknown)} have no price and are not in the sums."
        )
    if board.costs:
        words.append("Days end at midnight in Beijing, as on QingCloud's bill.")
    return " ".join(words)

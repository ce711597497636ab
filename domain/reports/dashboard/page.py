"""The dashboard as one page that needs no network: its style and its charts are inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from importlib.resources import files
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from domain.reports.dashboard.charts import (
    draw_alarms,
    draw_costs,
    draw_metric,
    draw_pods,
    draw_sizes,
)
from domain.reports.dashboard.data import as_script, chart_data
from domain.reports.dashboard.records import Dashboard
from domain.reports.dashboard.rows import (
    cost_groups,
    cost_words,
    find_changes,
    find_days,
    find_tiles,
)
from domain.reports.dashboard.words import in_chinese
from domain.reports.drawing.plot import format_number
from domain.reports.machines import MachineView, find_lone_nodes, match_machines
from domain.spec.metrics import BUILT_IN, Metric

MOST_ROWS = 50

COLUMNS = ("cpu", "memory", "diskUsed", "networkIn", "networkOut")
"""The metrics in the table of machines."""


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


@dataclass(frozen=True, slots=True)
class Look:
    """How a page is written.

    Attributes:
        language: `en`, `zh`, or empty for that of the browser.
        refresh: seconds between two refreshes by the page itself; 0 for a file.
        nonce: without which its scripts do not run; empty for a file.
    """

    language: str = ""
    refresh: int = 0
    nonce: str = ""


def write_page(board: Dashboard, look: Look = Look()) -> str:
    """Fill the template of the page; its style, its scripts and its data are inside."""
    troubles = board.troubles[:MOST_ROWS]
    template = _environment(look.language).get_template("page.html.jinja")
    views = match_machines(board.report) if board.report else ()
    return template.render(
        board=board,
        language=look.language,
        refresh=look.refresh,
        tiles=list(find_tiles(board)),
        machines=views,
        lone=find_lone_nodes(board.report) if board.report else (),
        columns=[BUILT_IN[name] for name in COLUMNS] if _is_measured(views) else [],
        changes=list(find_changes(board))[:MOST_ROWS],
        groups=[*cost_groups(board)],
        days=list(find_days(board)),
        cost_words=cost_words(board),
        undelivered=board.undelivered[-MOST_ROWS:],
        troubles=troubles,
        more_troubles=len(board.troubles) - len(troubles),
        assets=_assets(board, look),
    )


def _assets(board: Dashboard, look: Look) -> dict[str, Markup]:
    """What is written as it is: our own files, and the data, which `as_script` escapes."""
    files = {
        "style": _read("uplot.min.css") + _read("page.css"),
        "library": _read("uplot.min.js"),
        "script": _read("page.js"),
        "data": as_script(chart_data(board)),
        "nonce": f' nonce="{look.nonce}"' if look.nonce else "",
    }
    return {name: Markup(text) for name, text in files.items()}  # noqa: S704


@cache
def _read(name: str) -> str:
    return (files("domain.reports.dashboard") / "assets" / name).read_text(encoding="utf-8")


def _environment(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("domain.reports.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )

    def words(text: str) -> str:
        return in_chinese(text) if language == "zh" else text

    def languages(text: str) -> Markup:
        return Markup('data-en="{}" data-zh="{}"').format(text, in_chinese(text))

    def both(text: str) -> Markup | str:
        if in_chinese(text) == text:
            return text
        return Markup("<span {}>{}</span>").format(languages(text), words(text))

    environment.filters |= {
        "t": both,
        "words": words,
        "languages": languages,
        "time": _time,
        "measured": _measured,
    }
    return environment


def _time(moment: datetime) -> Markup:
    """A time in UTC, which the page shows in the reader's zone."""
    moment = moment.astimezone(UTC)
    shown = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), shown)


def _is_measured(views: Sequence[MachineView]) -> bool:
    return any(view.node and set(view.node.metrics) & set(COLUMNS) for view in views)


def _measured(view: MachineView, metric: Metric) -> str:
    value = view.node.metrics.get(metric.name) if view.node else None
    if value is None:
        return ""
    return f"{value:.1f} %" if metric.unit == "%" else format_number(value, metric.unit)

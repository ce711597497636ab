"""The dashboard as one page that needs no network: its style and its charts are inside."""

from collections.abc import Iterable
from datetime import tzinfo
from html import escape
from itertools import groupby

from domain.kernel.durations import say_seconds
from domain.kernel.money import say_rate, say_yuan
from domain.observe.alarms.states import AlarmState, Phase
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

_LEGEND = (
    "Line: average of a group's machines. Band: lowest to highest. Dashed: machines came or went. "
    "A break in a line: no samples."
)

_NO_SAMPLES = (
    "There are no samples of this time; `python -m flows.monitor` takes some, and with --watch "
    "again and again."
)

_STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #eef1f5; color: #1f2933;
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'PingFang SC',
  sans-serif; }
main { max-width: 1340px; margin: 0 auto; padding: 24px 20px 40px; }
h1 { font-size: 24px; margin: 0; }
h2 { font-size: 17px; margin: 28px 0 10px; }
.when { color: #52606d; margin: 2px 0 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; }
.tile { background: #fff; border: 1px solid #d9dfe5; border-radius: 10px; padding: 12px 16px; }
.tile b { display: block; font-size: 22px; line-height: 1.3; }
.tile span { color: #52606d; font-size: 13px; }
.bad b { color: #c62828; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(520px, 100%), 1fr));
  gap: 14px; align-items: start; }
.charts svg { width: 100%; height: auto; display: block; }
table { border-collapse: collapse; background: #fff; width: 100%; border: 1px solid #d9dfe5;
  border-radius: 10px; overflow: hidden; }
th, td { text-align: left; padding: 6px 12px; border-top: 1px solid #e6ebf0; font-size: 14px;
  vertical-align: top; overflow-wrap: break-word; }
.rows { overflow-x: auto; }
th { background: #f5f7fa; border-top: 0; font-weight: 600; }
.error { color: #c62828; font-weight: 600; } .warning { color: #8a5a00; font-weight: 600; }
.lost { background: #fbdcdc; border: 1px solid #d33a3a; border-radius: 10px; padding: 10px 16px; }
.note { color: #52606d; font-size: 13px; }
@media (max-width: 640px) { th, td { padding: 5px 8px; font-size: 13px; } }
@media print { body { background: #fff; } }
"""


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
    """Write the page.

    Args:
        zone: whose clock the page shows.
    """
    title = f"Cluster {escape(board.cluster)}"
    charts = "".join(f"<div>{chart}</div>" for chart in draw_charts(board, zone))
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="when">{_say_when(board, zone)}</p>',
        f'<p class="lost">{escape(board.lost)}</p>' if board.lost else "",
        f'<div class="tiles">{"".join(_tiles(board))}</div>',
        _active(board.active, zone),
        "<h2>Charts</h2>",
        "" if board.series or board.lost else f'<p class="note">{_NO_SAMPLES}</p>',
        f'<p class="note">{_LEGEND}</p>',
        f'<div class="charts">{charts}</div>',
        _cost_words(board),
        _events(board, zone),
        _untold(board, zone),
        _troubles(board, zone),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _say_when(board: Dashboard, zone: tzinfo) -> str:
    since, until = board.since.astimezone(zone), board.until.astimezone(zone)
    span = say_seconds((until - since).total_seconds())
    place = f"zone {escape(board.zone)}, " if board.zone else ""
    offset = f"{until:%z}"
    clock = "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{place}{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} ({clock}), {span}"


def _tiles(board: Dashboard) -> Iterable[str]:
    firing = [state for state in board.active if state.phase is Phase.FIRING]
    errors = sum(state.level is Level.ERROR for state in firing)
    sizes = ", ".join(f"{steps[-1][1]} {group}" for group, steps in board.sizes.items())
    yield _tile(str(board.machines), f"machines: {sizes}" if sizes else "machines")
    pods, room = sum(p.pods for p in board.pods), sum(p.room for p in board.pods)
    yield _tile(f"{pods}", f"workload pods in {room} places" if room else "workload pods")
    words = f"alarms firing, {errors} of them errors" if firing else "alarms firing"
    yield _tile(str(len(firing)), words, bad=bool(errors))
    if board.rate:
        at_least = "≥ " if board.rate.unknown else ""
        month = say_yuan(board.rate.per_month)
        yield _tile(f"{at_least}{say_yuan(board.rate.per_hour)}", f"an hour; {month} a month")
    if board.costs:
        unknown = any(cost.unknown for cost in board.costs)
        spent = f"{'≥ ' if unknown else ''}{say_yuan(total(board.costs))}"
        yield _tile(spent, "so far")
    if board.saving:
        saved = board.saving.yuan
        maximum = f"against {board.saving.maximum} nodes all the time"
        yield _tile("unknown" if saved is None else say_yuan(saved), f"saved by scaling, {maximum}")


def _tile(number: str, words: str, *, bad: bool = False) -> str:
    style = "tile bad" if bad else "tile"
    return f'<div class="{style}"><b>{escape(number)}</b><span>{escape(words)}</span></div>'


def _active(states: Iterable[AlarmState], zone: tzinfo) -> str:
    rows = [
        (
            f'<span class="{state.level}">{state.level}</span>',
            str(state.phase),
            escape(state.rule),
            escape(state.subject.machine or state.subject.group or "the whole cluster"),
            "" if state.value is None else f"{state.value:.6g}",
            f"{state.since.astimezone(zone):%m-%d %H:%M:%S}",
        )
        for state in states
    ]
    columns = ("Level", "Phase", "Rule", "Where", "Value", "Since")
    return _table("Alarms now", columns, rows) if rows else ""


def _cost_words(board: Dashboard) -> str:
    words = [f"The cluster costs {say_rate(board.rate)}."] if board.rate else []
    unknown = sorted({kind for cost in board.costs for kind in cost.unknown})
    if unknown:
        words.append(
            f"Machines of type {', '.join(unknown)} have no price and are not in the sums."
        )
    if board.costs:
        words.append("Days end at midnight in Beijing, as on QingCloud's bill.")
    return f'<p class="note">{escape(" ".join(words))}</p>' if words else ""


def _events(board: Dashboard, zone: tzinfo) -> str:
    rows = [
        (
            f"{event.time.astimezone(zone):%m-%d %H:%M:%S}",
            escape(event.group),
            f"{event.change:+d}",
            str(event.size),
        )
        for event in reversed(board.events[-MOST_ROWS:])
    ]
    columns = ("Time", "Group", "Machines", "Then")
    return _table("Scalings", columns, rows) if rows else ""


def _untold(board: Dashboard, zone: tzinfo) -> str:
    rows = [
        (
            f"{one.written_at.astimezone(zone):%m-%d %H:%M:%S}",
            escape(one.service),
            escape(one.message.title),
            str(one.outcome),
            str(one.attempts),
            escape(one.reason),
        )
        for one in board.untold[-MOST_ROWS:]
    ]
    columns = ("Written", "Service", "Message", "Outcome", "Attempts", "Why")
    return _table("Messages that did not arrive", columns, rows) if rows else ""


def _troubles(board: Dashboard, zone: tzinfo) -> str:
    rows = [
        (
            escape(one.metric),
            escape(one.machine or one.group or "all"),
            escape(one.reason),
            f"{one.count:,}",
            f"{one.first.astimezone(zone):%m-%d %H:%M}",
            f"{one.last.astimezone(zone):%m-%d %H:%M}",
        )
        for one in board.troubles[:MOST_ROWS]
    ]
    left = len(board.troubles) - len(rows)
    title = "What could not be measured" + (f" (the last {len(rows)}, {left} more)" if left else "")
    columns = ("Metric", "Where", "Why", "Times", "First", "Last")
    return _table(title, columns, rows) if rows else ""


def _table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    table = f'<div class="rows"><table><tr>{head}</tr>{body}</table></div>'
    return f"<h2>{escape(title)}</h2>\n{table}"

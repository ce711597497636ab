"""The rows of the page's tables, and the numbers above them."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from domain.kernel.money import format_rate, format_yuan
from domain.observe.alarms.states import Phase
from domain.observe.cost import DailyCost, total
from domain.reports.dashboard.charts import MOST_DAYS
from domain.reports.dashboard.events import unexplained
from domain.reports.dashboard.records import Dashboard
from domain.spec.alarms import Level

BAR = 160
"""Pixels of the most expensive day."""

UNRECORDED = "machines came or went without a recorded run"


class Tile(NamedTuple):
    number: str
    words: str
    more: str = ""
    bad: bool = False


def find_tiles(board: Dashboard) -> Iterator[Tile]:
    phases = [state.phase for state in board.active]
    errors = any(
        state.level is Level.ERROR for state in board.active if state.phase is Phase.FIRING
    )
    sizes = ", ".join(f"{steps[-1][1]} {group}" for group, steps in board.sizes.items())
    yield Tile(str(board.machines), "machines", f": {sizes}" if sizes else "")
    if board.report and board.report.nodes:
        ready, nodes = sum(node.ready for node in board.report.nodes), len(board.report.nodes)
        yield Tile(f"{ready} / {nodes}", "nodes are Ready", bad=ready < nodes)
    pods, room = sum(p.pods for p in board.pods), sum(p.room for p in board.pods)
    yield Tile(f"{pods} / {room}" if room else str(pods), "workload pods")
    yield Tile(str(phases.count(Phase.FIRING)), "alarms firing", bad=errors)
    if pending := phases.count(Phase.PENDING):
        yield Tile(str(pending), "alarms pending")
    if board.rate:
        at_least = "≥ " if board.rate.unknown else ""
        month = format_yuan(board.rate.per_month)
        yield Tile(f"{at_least}{format_yuan(board.rate.per_hour)}", "an hour", f"; {month} / 30 d")
    if board.costs:
        unknown = any(cost.unknown for cost in board.costs)
        yield Tile(f"{'≥ ' if unknown else ''}{format_yuan(total(board.costs))}", "so far")
    for saving in board.savings:
        saved = "?" if saving.yuan is None else format_yuan(saving.yuan)
        yield Tile(saved, "saved by scaling", f" ({saving.group}, ≤ {saving.maximum})")


class Change(NamedTuple):
    time: datetime
    group: str
    size: str
    who: str
    why: str
    failure: str = ""
    run: str = ""


def find_changes(board: Dashboard) -> Iterator[Change]:
    """Recorded scalings, and changes of sizes that none of them explains; the latest first."""
    rows = [
        Change(
            one.began_at,
            one.group,
            f"{one.before} → {one.wanted}",
            one.who,
            one.why,
            one.failure,
            one.run if one.run.startswith(("http://", "https://")) else "",
        )
        for one in board.scalings
    ]
    rows += [
        Change(one.time, one.group, f"{one.change:+d} → {one.size}", "", UNRECORDED)
        for one in unexplained(board.events, board.scalings)
    ]
    return iter(sorted(rows, key=lambda row: row.time, reverse=True))


class Day(NamedTuple):
    day: str
    cells: list[str]
    sum: str
    width: int


def cost_groups(board: Dashboard) -> dict[str, None]:
    return dict.fromkeys(cost.group for cost in board.costs)


def find_days(board: Dashboard) -> Iterator[Day]:
    by_day: defaultdict[date, dict[str, DailyCost]] = defaultdict(dict)
    for cost in board.costs:
        by_day[cost.day][cost.group] = cost
    sums = {day: total(list(costs.values())) for day, costs in by_day.items()}
    most = max(sums.values(), default=Decimal(0)) or Decimal(1)
    for day, costs in sorted(by_day.items(), reverse=True)[:MOST_DAYS]:
        cells = [
            format_yuan(costs[group].yuan) if group in costs else "" for group in cost_groups(board)
        ]
        yield Day(str(day), cells, format_yuan(sums[day]), round(BAR * sums[day] / most))


def cost_words(board: Dashboard) -> str:
    words = [f"The cluster costs {format_rate(board.rate)}."] if board.rate else []
    unknown = sorted({kind for cost in board.costs for kind in cost.unknown})
    if unknown:
        words.append(
            f"Machines of type {', '.join(unknown)} have no price and are not in the sums."
        )
    if board.costs:
        words.append("Days end at midnight in Beijing, as on QingCloud's bill.")
    return " ".join(words)

"""The result of an evaluation, and the explanation of an earlier one."""

from datetime import datetime

from rich.console import Console
from rich.text import Text

from domain.autoscaling.decide.explanation import Explanation
from domain.autoscaling.memory.memory import Remembered
from domain.autoscaling.report import Evaluation
from flows._cli.console import open_console

_SIGNS = {
    "out": ("+", "green"),
    "in": ("-", "yellow"),
    "repair": ("±", "yellow"),
    "hold": ("=", "dim"),
    "skipped": ("○", "dim"),
}


def show_evaluation(
    evaluation: Evaluation, console: Console | None = None, *, dry_run: bool = False
) -> None:
    """Show the decision about each group, whether it was carried out, and its details."""
    console = console or open_console()
    several = bool(evaluation.further)
    for one in evaluation.each:
        _show_one(one, console, of=f"{one.group}: " if several else "", dry_run=dry_run)


def _show_one(evaluation: Evaluation, console: Console, of: str, *, dry_run: bool) -> None:
    sign, style = _SIGNS[evaluation.kind]
    time = f"{evaluation.time.astimezone():%H:%M:%S} "
    end = " (done)" if evaluation.acted else " (not carried out)" if evaluation.changes else ""
    if dry_run:
        end = " (dry run: nothing is changed or remembered)"
    console.print(
        Text.assemble(time, (f"{sign} {of}", style), (evaluation.sentence, style), end),
        soft_wrap=True,
    )
    for words in evaluation.details:
        console.print(Text(f"    {words}", "dim"), soft_wrap=True)


def show_explanation(found: Explanation, console: Console | None = None) -> None:
    """Show why a change was, or was not, made at a moment, and the remedy."""
    console = console or open_console()
    at = _time(found.moment)
    decision = found.decision
    if decision is None:
        console.print(
            "No decision is stored yet; python -m flows.autoscale makes one, a dry run keeps none",
            soft_wrap=True,
        )
        return
    for one in found.earlier:
        console.print(Text(f"At {_time(one.last)}: {one.words}", "dim"), soft_wrap=True)
    if found.is_later:
        console.print(f"At {at}: no decision before it is stored; the nearest one:", soft_wrap=True)
        at = _time(decision.first)
    if found.unwatched_since:
        since = _time(found.unwatched_since)
        console.print(
            f"At {at}: no evaluation since {since}; is the schedule on, and the worker running? "
            "The last decision before:",
            soft_wrap=True,
        )
        at = since
    console.print(Text(f"At {at}: {decision.words} ({_span(decision)})"), soft_wrap=True)
    for words in decision.details:
        console.print(Text(f"    {words}", "dim"), soft_wrap=True)
    for title, words in (("Outcome", found.outcome), ("What helps", found.advice)):
        if words:
            console.print(Text.assemble((f"{title}: ", "bold"), words), soft_wrap=True)


def _time(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _span(decision: Remembered) -> str:
    since, until = decision.first.astimezone(), decision.last.astimezone()
    if decision.count == 1:
        return f"decided at {until:%H:%M:%S}"
    span = f"from {since:%H:%M:%S} to {until:%H:%M:%S}"
    return f"decided {decision.count} times {span}; the numbers are the last"

"""The result of an evaluation, and the explanation of an earlier one."""

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


def show_evaluation(evaluation: Evaluation, console: Console | None = None) -> None:
    """Show the decision about each group, whether it was carried out, and its details."""
    console = console or open_console()
    several = bool(evaluation.further)
    for one in evaluation.each:
        _show_one(one, console, of=f"{one.group}: " if several else "")


def _show_one(evaluation: Evaluation, console: Console, of: str) -> None:
    sign, style = _SIGNS[evaluation.kind]
    time = f"{evaluation.time.astimezone():%H:%M:%S} "
    end = " (done)" if evaluation.acted else " (not carried out)" if evaluation.changes else ""
    console.print(
        Text.assemble(time, (f"{sign} {of}{evaluation.sentence}", style), end), soft_wrap=True
    )
    for words in evaluation.details:
        console.print(Text(f"    {words}", "dim"), soft_wrap=True)


def show_explanation(found: Explanation, console: Console | None = None) -> None:
    """Show why a change was, or was not, made at a moment, and the remedy."""
    console = console or open_console()
    at = f"{found.moment.astimezone():%Y-%m-%d %H:%M:%S}"
    decision = found.decision
    if decision is None:
        console.print(f"At {at}: no decision of that time is stored", soft_wrap=True)
        return
    if found.unwatched_since:
        since = f"{found.unwatched_since.astimezone():%Y-%m-%d %H:%M:%S}"
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


def _span(decision: Remembered) -> str:
    since, until = decision.first.astimezone(), decision.last.astimezone()
    if decision.count == 1:
        return f"decided at {until:%H:%M:%S}"
    span = f"from {since:%H:%M:%S} to {until:%H:%M:%S}"
    return f"decided {decision.count} times {span}; the numbers are the last"

"""What an evaluation came to, and what was remembered of earlier ones."""

from datetime import datetime

from rich.console import Console
from rich.text import Text

from domain.autoscaling.memory import Remembered
from domain.autoscaling.report import Evaluation
from flows._terminal.console import open_console

_SIGNS = {
    "out": ("+", "green"),
    "in": ("-", "yellow"),
    "hold": ("=", "dim"),
    "skipped": ("○", "dim"),
}


def show_evaluation(evaluation: Evaluation, console: Console | None = None) -> None:
    """Show the decision, whether it was carried out, and what it rests on."""
    console = console or open_console()
    sign, style = _SIGNS[evaluation.kind]
    time = f"{evaluation.time.astimezone():%H:%M:%S} "
    end = " (done)" if evaluation.acted else " (not carried out)" if evaluation.changes else ""
    console.print(
        Text.assemble(time, (f"{sign} {evaluation.sentence}", style), end), soft_wrap=True
    )
    for words in evaluation.details:
        console.print(Text(f"    {words}", "dim"), soft_wrap=True)


def show_explanation(
    moment: datetime, found: Remembered | None, console: Console | None = None
) -> None:
    """Answer why something was, or was not, done at a moment."""
    console = console or open_console()
    at = f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
    if found is None:
        console.print(f"At {at}: nothing is remembered of that time", soft_wrap=True)
        return
    since, until = found.first.astimezone(), found.last.astimezone()
    span = f"decided at {until:%H:%M:%S}"
    if found.count > 1:
        span = f"decided {found.count} times from {since:%H:%M:%S} to {until:%H:%M:%S}"
    console.print(Text(f"At {at}: {found.words} ({span})"), soft_wrap=True)
    for words in found.details:
        console.print(Text(f"    {words}", "dim"), soft_wrap=True)

"""The page of a check."""

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from domain.health.findings import HealthReport, Level
from domain.kernel.texts import begin
from flows._cli.console import open_console
from flows._cli.terminal.rows import Rows

_LEVELS = {
    Level.OK: ("✓", "green"),
    Level.WARNING: ("!", "yellow"),
    Level.TROUBLE: ("✗", "bold red"),
}


def show_health(report: HealthReport, console: Console | None = None) -> None:
    """Show one line a finding: what is so, and what to do."""
    console = console or open_console()
    console.print(Text(f"Cluster {report.cluster}", "bold"))
    table = Rows("", "Subject", "Finding", "What to do")
    for one in report.findings:
        sign, style = _LEVELS[one.level]
        table.add_row(Text(sign, style), Text(one.subject), one.sentence, one.action)
    console.print(Padding(table, (0, 0, 1, 2), expand=False))
    if not report.troubles:
        console.print(Text(begin(report.sentence)))

"""The table of a script's ends on machines."""

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from domain.kernel.durations import format_seconds
from domain.kernel.texts import begin
from domain.node.scripts import End, ScriptReport
from flows._cli.console import open_console, to_line
from flows._cli.language import Verbatim
from flows._cli.terminal.rows import Rows

MOST_OF_LINE = 100

_ENDS = {
    End.DONE: ("✓", "green"),
    End.FAILED: ("✗", "bold red"),
    End.TIMED_OUT: ("✗", "bold red"),
    End.NOT_REACHED: ("✗", "bold red"),
    End.NOT_RUN: ("○", "dim"),
}


def show_scripts(
    report: ScriptReport, *, whole: bool = False, console: Console | None = None
) -> None:
    """Show exit code, seconds and last line of each machine.

    Args:
        whole: the whole output of each machine, too.
    """
    console = console or open_console()
    table = Rows("", "Machine", "End", "Exit code", "Time", "Last line")
    for one in report.results:
        sign, style = _ENDS[one.end]
        code = "" if one.exit_code is None else str(one.exit_code)
        line = Verbatim(to_line(one.last_line)[:MOST_OF_LINE])
        time = format_seconds(one.seconds)
        table.add_row(Text(sign, style), Verbatim(one.node), Text(one.end, style), code, time, line)
    console.print(Padding(table, (0, 0, 1, 2), expand=False))
    for one in report.results if whole else ():
        console.print(Verbatim(one.node, "bold"))
        for printed in one.output.splitlines():
            console.print(Verbatim(f"  {to_line(printed)}"), soft_wrap=True)
    if not report.failed:
        console.print(Text(begin(report.sentence)))

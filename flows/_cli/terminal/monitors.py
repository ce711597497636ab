"""The custom monitors of a cluster as a table."""

from collections.abc import Mapping, Sequence

from rich.console import Console, Group
from rich.text import Text

from domain.spec.monitoring import Monitor
from flows._cli.console import open_console, to_line
from flows._cli.terminal.rows import Rows


def show_monitors(
    monitors: Sequence[Monitor],
    tried: Mapping[str, float | str] | None = None,
    console: Console | None = None,
) -> None:
    """Show the monitors.

    Args:
        tried: what a new one has measured, or why it has not, by machine.
    """
    console = console or open_console()
    if not monitors:
        console.print("The cluster has no custom monitor")
        return
    table = Rows("Metric", "Group", "Unit", "Timeout", "Script")
    for one in monitors:
        table.add_row(one.name, one.group, one.unit, f"{one.timeout} s", Text(_shown(one.script)))
    lines = [
        Text(
            f"  {machine}: {to_line(found)}"
            if isinstance(found, str)
            else f"  {machine}  {found:g}"
        )
        for machine, found in sorted((tried or {}).items())
    ]
    console.print(Group(table, *lines))


def _shown(script: str) -> str:
    """The first line of a script that is no remark, and a sign where there are more."""
    lines = [line for line in script.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    return to_line(lines[0] if lines else script) + (" …" if len(lines) > 1 else "")

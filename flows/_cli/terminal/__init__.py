"""Output of the commands: text for people, and one JSON document for programs.

Text goes to standard error, so that standard output belongs to `--json` alone.
"""

from flows._cli.console import (
    end_at_once,
    open_console,
    print_json,
    print_line,
    show_error,
)
from flows._cli.terminal.backups import show_backups
from flows._cli.terminal.health import show_health
from flows._cli.terminal.metrics import Watch, show_metrics
from flows._cli.terminal.monitors import show_monitors
from flows._cli.terminal.questions import confirm
from flows._cli.terminal.scripts import show_scripts
from flows._cli.terminal.steps import Steps
from flows._cli.terminal.tables import (
    show_drift,
    show_leftovers,
    show_plan,
    show_published,
    show_report,
)

__all__ = [
    "Steps",
    "Watch",
    "confirm",
    "end_at_once",
    "open_console",
    "print_json",
    "print_line",
    "show_backups",
    "show_drift",
    "show_error",
    "show_health",
    "show_leftovers",
    "show_metrics",
    "show_monitors",
    "show_plan",
    "show_published",
    "show_report",
    "show_scripts",
]

"""What a person at a terminal sees, and the one JSON document that a program reads.

Everything human goes to standard error, so that standard output belongs to `--json` alone.
"""

from flows._cli.terminal.console import (
    end_at_once,
    open_console,
    print_json,
    quiet_prefect,
    say,
    show_error,
)
from flows._cli.terminal.metrics import Watch, show_metrics
from flows._cli.terminal.questions import confirm
from flows._cli.terminal.steps import Steps
from flows._cli.terminal.tables import show_plan, show_report

__all__ = [
    "Steps",
    "Watch",
    "confirm",
    "end_at_once",
    "open_console",
    "print_json",
    "quiet_prefect",
    "say",
    "show_error",
    "show_metrics",
    "show_plan",
    "show_report",
]

"""Confirmation of changes that cost money or delete resources."""

import sys
from typing import TextIO

from rich.console import Console
from rich.text import Text

from domain.kernel.errors import NotConfirmed
from flows._cli.console import open_console


def confirm(question: str, console: Console | None = None, keyboard: TextIO | None = None) -> bool:
    """Ask a yes-or-no question; anything but yes is a no, the end of input too.

    Raises:
        NotConfirmed: there is no terminal to answer at; the message names `--yes`.
    """
    console = console or open_console()
    keyboard = keyboard or sys.stdin
    if not (console.is_terminal and keyboard.isatty()):
        raise NotConfirmed(f"{question} There is no terminal to answer at: add --yes to agree")
    console.print(Text.assemble((question, "bold"), " [y/N] "), end="", soft_wrap=True)
    return keyboard.readline().strip().lower() in ("y", "yes")

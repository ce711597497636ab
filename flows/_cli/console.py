"""The two streams: text to standard error, one JSON document to standard output."""

import codecs
import dataclasses
import json
import os
import re
import sys
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from flows._cli.language import Terminal

PLAIN_WIDTH = 120  # of tables in files and pipes, which have no width

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def open_console() -> Console:
    """Open a console on standard error, as wide as the terminal, or `PLAIN_WIDTH` without one."""
    _replace_unknown_signs()
    width = None if sys.stderr.isatty() else PLAIN_WIDTH
    return Terminal(stderr=True, width=width, highlight=False)


SIGNS = {
    "✓": "+",
    "✗": "x",
    "○": "o",
    "‖": "|",
    "±": "*",
    "×": "x",
    "…": "...",
    "→": "->",
    "–": "-",
    "·": "-",
    **dict(zip("─│├└", "-||`", strict=True)),
    **dict(zip("▁▂▃▄▅▆▇█", "12345678", strict=True)),  # of sparklines
}
"""What takes the place of a sign where the terminal's encoding has none."""


def _replace_unknown_signs() -> None:
    """Let standard error write what its encoding has not, as in the locale C, in another way."""
    stream = sys.stderr
    if isinstance(stream, TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
        stream.reconfigure(errors=_HANDLER)


def _replacement(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unknown = error.object[error.start : error.end]
    return "".join(SIGNS.get(one, "?") for one in unknown), error.end


_HANDLER = "k8s-qingcloud-signs"
codecs.register_error(_HANDLER, _replacement)


def print_line(text: str, console: Console | None = None) -> None:
    """Print a line of text for people."""
    (console or open_console()).print(text, soft_wrap=True, markup=False)


def show_error(sentence: str, console: Console | None = None) -> None:
    """Print an error in one line."""
    console = console or open_console()
    console.print(Text.assemble(("Error: ", "bold red"), to_line(sentence)), soft_wrap=True)


def end_at_once(sentence: str, code: int) -> NoReturn:
    """Print the reason and end the process, without waiting for threads or for Prefect's queues.

    It loses nothing: the same command continues, as after a power cut.
    """
    console = open_console()
    console.show_cursor(True)  # a live area hides it
    show_error(sentence, console)
    os._exit(code)


def print_json(document: object) -> None:
    """Print the one document of a `--json` run to standard output.

    Args:
        document: dataclasses, mappings, lists and plain values, nested in any way.
    """
    sys.stdout.write(json.dumps(_to_plain(document), indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def to_line(words: str) -> str:
    """Put text on one line, without escapes and control characters."""
    kept = _ESCAPES.sub("", words)
    return " ".join("".join(c if c.isprintable() else " " for c in kept).split())


def last_line(output: str) -> str:
    """The last line of a command's output with text; empty where there is none.

    Text that a carriage return has overwritten, as in progress bars, does not count.
    """
    lines = (to_line(line) for line in reversed(re.split(r"[\r\n]+", output)))
    return next((line for line in lines if line), "")


def _to_plain(value: object) -> object:
    match value:
        case date():  # a datetime is one, too
            return value.isoformat()
        case Decimal() | Path():  # money as text, because a JSON number is a float to most readers
            return str(value)
        case Mapping():
            return {str(key): _to_plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_to_plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            return {field.name: _to_plain(getattr(value, field.name)) for field in fields}
        case _:
            return value

"""From typed words to a command's flags, before anything slow is imported."""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from cyclopts import App, CycloptsError

from domain.kernel.errors import BadRequest
from flows._cli.starting import start_imports
from words import HELP, UnknownLanguage, choose, translate
from words.helping import Help


def make_app(command: str, kind: type, *, room: str = "flows") -> App:
    """The parser of a command: it returns a record of the kind, whose docstring is the help.

    Args:
        command: the name of its module.
    """
    app = App(
        name=f"python -m {room}.{command}",
        help=kind.__doc__,
        version_flags=(),
        suppress_keyboard_interrupt=False,  # it would end without a message
    )
    app.default(_returning(kind))
    return app


def parse(app: App) -> Any:
    """Read what was typed; the process ends here where it is help (0) or not understood (2).

    The language of texts is chosen here, so that help and errors are in it.

    Returns:
        What the parser returns: the flags of the command.
    """
    try:
        words = choose(sys.argv[1:])
        app.help_formatter, app.help_epilogue = Help(), translate(HELP)
        flags = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, BadRequest, UnknownLanguage) as error:
        from flows._cli.console import show_error

        show_error(str(error))
        sys.exit(2)
    if flags is None:  # help was printed
        sys.exit(0)
    start_imports()
    return flags


def parse_first(module: str, parsers: str) -> None:
    """Answer help and errors of typing of `python -m <module>`, before that module is imported.

    Args:
        parsers: the package of the parsers, of which the last part of the module's name is one.
    """
    name = f"{parsers}.{module.rpartition('.')[2]}"
    if find_spec(name):
        parse(import_module(name).app)


def _returning(kind: type) -> Callable[..., object]:
    """A function for the parser, with the kind as its only parameter."""

    def read(flags: Any) -> object:
        return flags

    read.__annotations__["flags"] = kind
    if not _has_required(kind):
        read.__defaults__ = (kind(),)
    return read


def _has_required(kind: type) -> bool:
    try:
        kind()
    except TypeError:
        return True
    return False

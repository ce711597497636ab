"""The reference of the commands, from their parsers."""

import inspect
import re
from collections.abc import Iterator, Sequence, Set
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from cyclopts import App

from deployments.console import COMMANDS
from docs.site.markdown import code, table, written
from flows._cli.flags.common import Common


def commands_page() -> str:
    """Every command with its flags, from its parser."""
    shared = _flags_of(_parser_of_common())
    parts = [
        "# Commands and flags\n\nEach is `qingcloud-k8s <name>`; `--help` prints the same. "
        "Exit codes: 0 done, 1 begun and not finished, 2 refused and nothing created, "
        "130 and 143 interrupted.\n",
        f"## Flags of every command about a cluster\n\n{shared}",
    ]
    known = {name for row in _rows_of(_parser_of_common()) for name in row[:1]}
    for name, command in COMMANDS.items():
        app = parser_of(command.module)
        parts.append(_section("##", name, app, known))
        parts += [_section("###", f"{name} {sub.name[0]}", sub, known) for sub in _commands_of(app)]
    return "\n".join(parts)


def _section(level: str, title: str, app: App, known: Set[str]) -> str:
    rows = _rows_of(app)
    more = ""
    if known <= {row[0] for row in rows}:
        rows = [row for row in rows if row[0] not in known]
        more = "\nAnd the flags of every command about a cluster.\n"
    return f"{level} {title}\n\n{_help_of(app)}\n\n{_flags_table(rows)}{more}"


def _parser_of_common() -> App:
    app = App()
    app.default(_common)
    return app


def _common(*, common: Common = Common()) -> None:  # noqa: B008 - frozen
    """Stand for a command without flags of its own."""


def parser_of(module: str) -> App:
    """The parser of a sub-command's module."""
    room, _, name = module.partition(".")
    places = {"flows": "flows._cli.flags", "deployments": "deployments._flags"}
    found = import_module(f"{places[room]}.{name}" if name else f"{module}.__main__").app
    assert isinstance(found, App)
    return found


def _commands_of(app: App) -> Iterator[App]:
    for name in app:
        if not name.startswith("-"):
            yield app[name]


ARGUMENTS = "\nArgs:\n"


def _help_of(app: App) -> str:
    """The paragraphs of a command's help, each on one line."""
    text = _doc_of(app).partition(ARGUMENTS)[0].strip()
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _doc_of(app: App) -> str:
    command = app.default_command
    return inspect.cleandoc(app.help or (inspect.getdoc(command) if command else "") or "")


def _rows_of(app: App) -> list[tuple[str, str, str, str]]:
    """The flags of a command: names, kind of value, meaning, default."""
    if app.default_command is None:
        return []
    told = dict(re.findall(r"^ +(\w+): (.*)$", _doc_of(app).partition(ARGUMENTS)[2], re.MULTILINE))
    return [
        (
            ", ".join(code(name) for name in argument.names),
            _type_name(argument.hint),
            argument.parameter.help or told.get(argument.field_info.name, ""),
            _default(argument),
        )
        for argument in app.assemble_argument_collection()
        if argument.show and argument.names != ("*",)
    ]


def _flags_of(app: App) -> str:
    return _flags_table(_rows_of(app))


def _flags_table(rows: Sequence[Sequence[str]]) -> str:
    return table(("flag", "value", "meaning", "default"), rows) if rows else ""


def _type_name(hint: Any) -> str:
    """The kind of value of a flag, in words; empty for a switch."""
    names = {bool: "", str: "text", int: "number", float: "number", Path: "file"}
    if get_origin(hint) is list:
        return _type_name(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return ", ".join(code(str(word)) for word in get_args(hint))
    if several := [one for one in get_args(hint) if one not in (NoneType, Ellipsis)]:
        return " or ".join(dict.fromkeys(map(_type_name, several)))
    return names.get(hint, getattr(hint, "__name__", str(hint)))


def _default(argument: Any) -> str:
    if argument.required:
        return "must be given"
    default = argument.field_info.default
    if default is argument.field_info.empty or default in (None, False, "", ()):
        return ""
    return code(written(default))

"""The templates of everything that people read, from the source.

A template is an English text whose values are numbered: the source's `f"{name} keeps its {count}
nodes"` is `{0} keeps its {1} nodes`. What the program prints is found in the catalogue by its
template again, so the source needs no calls and no keys for its words.
"""

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

EDGES = " \t,;:"
"""What may stand around a text where it is joined to another: it is no part of the template."""

ROOMS = (
    "flows",
    "tasks",
    "blocks",
    "clients",
    "domain",
    "deployments",
    "localcloud/__main__.py",
    "localcloud/fault_command.py",
    "localcloud/process.py",
    "localcloud/home.py",
    "localcloud/addresses.py",
    "localcloud/iaas/faults",
)

ENGLISH = (
    # Prefect's UI is English, and so is what it shows: reports and tables of runs, forms.
    "tasks/reports.py",
    "tasks/tables.py",
    "domain/reports/drawing",
    "domain/reports/replay_chart.py",
    "deployments/_kinds.py",
    # The page has its own words, with both languages in it.
    "domain/reports/dashboard/words.py",
    # Scripts, statements and other programs' words.
    "clients/migrations",
    "clients/kubernetes/verdicts.py",
    "domain/reports/dashboard/page.py",
)
"""Files whose texts stay English."""

HELP = {
    "flows/_cli/flags": ("app.command", "Parameter"),
    "deployments/_flags": ("app.command", "Parameter"),
    "localcloud/__main__.py": ("app.command",),
    "localcloud/fault_command.py": ("app.command",),
    "localcloud/iaas/faults": ("dataclass",),
}
"""Files in which docstrings are help: those of what is decorated so."""

SILENT = frozenset(
    {
        "flow", "Field", "TypeVar", "getLogger", "deprecated", "cast", "update_artifact",
        "compile", "match", "search", "sub", "split", "fullmatch", "findall", "strptime",
        "execute", "Column", "Table", "Index", "text",
    }
)  # fmt: skip
"""Functions and methods whose arguments nobody reads, or in Prefect's UI alone."""

LOGS = frozenset({"debug", "info", "warning", "exception", "critical"})
"""Methods of loggers: logs of runs stay English."""

HEADED = frozenset({"Rows", "add_column", "in_language"})
"""Functions whose arguments are texts even if they are single words."""

_FIELDS = re.compile(r"\{[a-z_.]*\}")
_CODE = re.compile(
    r"""[$`|<>#^\\]|&&|^-\w |"\S+ \S+"|==|^python -m \S+( --\S+ \S+)*$|--\w+=|^[a-z]+ -\w|^bold """
)


@dataclass(frozen=True, slots=True)
class Template:
    """A text with numbered values, and the file in which it stands."""

    text: str
    file: str


def templates_of(folder: Path, rooms: Iterable[str] = ROOMS) -> Iterator[Template]:
    """All templates of these files and folders, in the order of the source; some more than once."""
    for room in rooms:
        path = folder / room
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name = file.relative_to(folder).as_posix()
            if name.startswith(ENGLISH):
                continue
            tree = ast.parse(file.read_text(encoding="utf-8"))
            for text in _texts(tree, _helping(name)):
                for line in () if _is_script(text) else text.split("\n"):
                    one = _renumber(strip_edges(line))
                    if re.search(r"[A-Za-z]{2}", one):
                        yield Template(one, name)


def strip_edges(text: str) -> str:
    """The text without what joins it to others."""
    return text.strip(EDGES)


def _renumber(line: str) -> str:
    """A line of a text, with its own values numbered from 0."""
    first = min((int(number) for number in re.findall(r"\{(\d+)\}", line)), default=0)
    return re.sub(r"\{(\d+)\}", lambda one: f"{{{int(one[1]) - first}}}", line)


def _is_script(text: str) -> bool:
    return text.count("\n") > 1 and bool(_CODE.search(text))


def _is_text(text: str) -> bool:
    """Whether these are words for people, and not a name, a path or a command."""
    words = re.sub(r"\{\d*\}|`[^`]*`", " x ", text)
    return (
        bool(re.search(r"[A-Za-z]{2}", words)) and " " in text.strip() and not _CODE.search(words)
    )


def _texts(tree: ast.AST, helping: tuple[str, ...]) -> Iterator[str]:
    skipped, headed, titled = _skipped(tree), _arguments(tree, HEADED), _arguments(tree, {"step"})
    inside: set[ast.AST] = set()
    for node in _walk(tree, skipped):
        match node:
            case ast.JoinedStr():
                inside.update(one for one in node.values if isinstance(one, ast.Constant))
                text = _number(node)
            case ast.Constant(value=str(text)) if node not in inside:
                if node in titled or _FIELDS.search(text):
                    text = _number_fields(text)
                elif node in headed:
                    yield text
                    continue
            case ast.FunctionDef() | ast.ClassDef() if _is_decorated(node, helping):
                yield from _paragraphs(ast.get_docstring(node) or "")
                continue
            case _:
                continue
        if _is_text(text):
            yield text


def _walk(node: ast.AST, skipped: set[ast.AST]) -> Iterator[ast.AST]:
    if node not in skipped:
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _walk(child, skipped)


def _number(node: ast.JoinedStr) -> str:
    """The text with its values numbered."""
    parts, number = [], 0
    for one in node.values:
        if isinstance(one, ast.Constant):
            parts.append(str(one.value))
        else:
            parts.append(f"{{{number}}}")
            number += 1
    return "".join(parts)


def _number_fields(text: str) -> str:
    """A template of `str.format` with its fields numbered."""
    parts = _FIELDS.split(text)
    return "".join(f"{part}{{{number}}}" for number, part in enumerate(parts[:-1])) + parts[-1]


def _helping(name: str) -> tuple[str, ...]:
    return next((found for prefix, found in HELP.items() if name.startswith(prefix)), ())


def _is_decorated(node: ast.FunctionDef | ast.ClassDef, decorators: tuple[str, ...]) -> bool:
    return any(ast.unparse(one).partition("(")[0] in decorators for one in node.decorator_list)


def _paragraphs(docstring: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(docstring).split("\n\n"):
        if paragraph.startswith(("Args:", "Attributes:")):
            for entry in re.split(r"\n    (?=\w+: )", paragraph)[1:]:
                yield " ".join(entry.partition(": ")[2].split())
        elif not paragraph.startswith(("Returns:", "Raises:")):
            yield " ".join(paragraph.split())


def _arguments(tree: ast.AST, names: Iterable[str], *, named: bool = False) -> set[ast.AST]:
    """The arguments of all calls of these functions."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in names:
                found.update(node.args)
                if named:
                    found.update(one.value for one in node.keywords)
    return found


def _skipped(tree: ast.AST) -> set[ast.AST]:
    """Docstrings, formats of values, and what is given to functions that show nothing."""
    found = _arguments(tree, SILENT, named=True)
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as text):
                found.add(text)
            case ast.Call(func=ast.Attribute(attr=name)) if name in LOGS:
                found.update(node.args)
            case ast.FormattedValue(format_spec=ast.JoinedStr() as spec):
                found.add(spec)
            case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=annotation):
                if isinstance(annotation, ast.Constant):
                    found.add(annotation)
    return found

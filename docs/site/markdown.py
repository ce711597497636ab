"""Pieces of Markdown, and links that lead to the right page of the site."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath, PurePosixPath

ROOT_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Files beside docs/ that are pages of the site."""

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#]+)(#[^)]*)?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
OTHER_LANGUAGE = re.compile(r" ?\[(?:中文|English|中文说明)\]\([^)]*\)")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar or a line break within a cell is written so that it stays in the cell."""
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def table_cells(line: str) -> list[str]:
    """The cells of a line of a table."""
    return re.split(r"(?<!\\) \| ", line.removeprefix("| ").removesuffix(" |"))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def written(value: object) -> str:
    """A value as a YAML file has it, on one line."""
    return str(value) if isinstance(value, str | PurePath) else json.dumps(value, default=str)


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def on_site(text: str, source: str, exists: Callable[[str], bool]) -> str:
    """A page with its links as the site has them.

    A link to a page in the other language goes, because each page has a switch of its own; one to
    a file that is no page, such as a script, becomes the file's path.

    Args:
        source: the page's file, from the project's folder, such as `docs/team.md`.
        exists: whether a path below docs/ is part of the site.
    """

    def rewrite(link: re.Match[str]) -> str:
        mark, words, target, heading = link.groups(default="")
        path = _normal(PurePosixPath(source).parent / target)
        page = page_of(path)
        if page is None or not (exists(page) or page in ROOT_PAGES.values()):
            return words if words.strip("`") == path else f"{words} (`{path}`)"
        return f"{mark}[{words}]({_from(page_of(source) or source, page)}{heading})"

    return LINK.sub(rewrite, OTHER_LANGUAGE.sub("", text))


def with_anchors(text: str, english: str) -> str:
    """A page with the anchors of the English one, too: links name those, in each language."""
    slugs = iter([_slug(title) for title in HEADING.findall(FENCE.sub("", english))])
    parts = re.split(FENCE, text)
    code = [*FENCE.findall(text), ""]
    marked = (HEADING.sub(lambda one: f'<a id="{next(slugs)}"></a>\n\n{one[0]}', p) for p in parts)
    return "".join(part + block for part, block in zip(marked, code, strict=True))


def _slug(title: str) -> str:
    return re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")


def page_of(path: str) -> str | None:
    """The site's page or picture of a file of the project; None where it has none.

    A page in Chinese has the name of the English one: the site itself chooses the language.
    """
    plain = path.replace(".zh-CN.md", ".md")
    if plain in ROOT_PAGES:
        return ROOT_PAGES[plain]
    return plain.removeprefix("docs/") if plain.startswith("docs/") else None


def _normal(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _from(page: str, target: str) -> str:
    """The way from a page to another one."""
    return "../" * (len(PurePosixPath(page).parts) - 1) + target

"""Pages that are made from the code, in Chinese: by the catalogue of the commands' texts."""

import re
from functools import cache
from pathlib import Path

import yaml

from docs.site.markdown import table_cells
from words import translate


@cache
def _own() -> dict[str, str]:
    """What the pages say that no command says."""
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


CODE = re.compile(r"`[^`]*`(, `[^`]*`)*")


def in_chinese(page: str) -> str:
    """A page with its paragraphs and the cells of its tables in Chinese; code stays as it is."""
    return "\n".join(map(_line, page.splitlines())) + "\n"


def _line(line: str) -> str:
    if line.startswith("| ---") or not line:
        return line
    if line.startswith("| "):
        return "| " + " | ".join(map(_text, table_cells(line))) + " |"
    return _text(line)


def _text(text: str) -> str:
    if text in _own():
        return _own()[text]
    return text if text.startswith("#") or CODE.fullmatch(text) else translate(text, "zh")

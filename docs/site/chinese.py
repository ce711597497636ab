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
WITH_DEFAULT = re.compile(r"(?:(.*)\. )?If not given: (.*)")
WITH_BOUNDS = re.compile(r"(whole number|number), (\S*–\S*)")


def in_chinese(page: str, *, printed: bool) -> str:
    """A page with its paragraphs and the cells of its tables in Chinese; code stays as it is.

    Args:
        printed: whether commands print its texts, so that their catalogue has them. A text that is
            in neither stays English.
    """
    return "\n".join(_line(line, printed) for line in page.splitlines()) + "\n"


def _line(line: str, printed: bool) -> str:
    if line.startswith("| ---") or not line:
        return line
    if line.startswith("| "):
        return "| " + " | ".join(_text(cell, printed) for cell in table_cells(line)) + " |"
    return _text(line, printed)


def _text(text: str, printed: bool) -> str:
    if text in _own():
        return _own()[text]
    if text.startswith("#") or CODE.fullmatch(text):
        return text
    if found := WITH_DEFAULT.fullmatch(text):
        said = f"{_own().get(found[1], found[1])}。" if found[1] else ""
        return f"{said}若未给出：{found[2]}"
    if found := WITH_BOUNDS.fullmatch(text):
        return f"{_own()[found[1]]}，{found[2]}"
    return translate(text, "zh") if printed else text

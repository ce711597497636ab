"""`python -m words`: bring the catalogue up to date with the source."""

import sys
from collections.abc import Iterable
from pathlib import Path

from words.extraction import Template, templates_of
from words.po import STATES, WORDS, Entry, read, write

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "words" / "zh.po"


def update(content: str, templates: Iterable[Template]) -> str:
    """The file with exactly the source's texts, and those by hand; translations are kept."""
    known = {one.text: one for one in read(content)}
    places: dict[str, dict[str, None]] = {}
    for one in templates:
        places.setdefault(one.text, {})[one.file] = None

    def is_own(one: Entry) -> bool:
        return one.places == (STATES,) or (one.places == (WORDS,) and one.text not in places)

    by_hand = {one.text: one for one in known.values() if is_own(one)}
    found = [
        Entry(text, known[text].translation if text in known else "", tuple(files))
        for text, files in places.items()
        if text not in by_hand
    ]
    return write([*by_hand.values(), *found])


def main() -> None:
    """Write the file, and print what has no translation yet."""
    content = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    content = update(content, templates_of(ROOT))
    FILE.write_text(content, encoding="utf-8")
    empty = [one.text for one in read(content) if not one.translation]
    sys.stdout.write("".join(f"{text}\n" for text in empty))
    sys.stdout.write(f"{len(empty)} texts have no translation yet\n")


if __name__ == "__main__":
    main()

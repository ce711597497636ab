"""Catalogues as files in gettext's form `.po`, which editors of translations open.

Only what our own files need of it: comments with places, texts on one line each, no plural forms.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

WORDS, STATES = "words", "states"
"""The places of entries that are no texts of the source: single words, and other programs' texts;
and words for states, which are translated wherever they stand."""

HEAD = """\
# Texts of the commands, the dashboard and the notifications in Chinese.
# Written by `make words`, which adds new texts with an empty translation; translate them here.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Language: zh_CN\\n"
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A text, its translation, and the files that it stands in."""

    text: str
    translation: str
    places: tuple[str, ...] = ()


def read(content: str) -> Iterator[Entry]:
    """All entries but the head."""
    places: list[str] = []
    text = ""
    for line in content.splitlines():
        word, _, rest = line.partition(" ")
        if word == "#:":
            places.extend(rest.split())
        elif word == "msgid":
            text = json.loads(rest)
        elif word == "msgstr" and text:
            yield Entry(text, json.loads(rest), tuple(places))
            places, text = [], ""


def write(entries: Iterable[Entry]) -> str:
    """The file with these entries, in their order."""
    blocks = [HEAD]
    for one in entries:
        place = "".join(f"#: {place}\n" for place in one.places)
        blocks.append(f"{place}msgid {_quote(one.text)}\nmsgstr {_quote(one.translation)}\n")
    return "\n".join(blocks)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)

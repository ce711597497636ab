"""Every text has a Chinese one, and the finished text finds it again."""

import re
from pathlib import Path

import pytest

import words
from words.__main__ import FILE, update
from words.extraction import templates_of
from words.po import read

pytestmark = pytest.mark.pure

ROOT = Path(__file__).resolve().parents[1]
ENTRIES = list(read(FILE.read_text(encoding="utf-8")))
CATALOGUE = words.catalogue("zh")


def fields(text: str) -> set[str]:
    return set(re.findall(r"\{\d+\}", text))


def filled(text: str) -> str:
    """The text with values that are names."""
    return re.sub(r"\{(\d+)\}", r"v-\1", text)


def test_the_catalogue_holds_exactly_the_texts_of_the_source() -> None:
    content = FILE.read_text(encoding="utf-8")
    assert content == update(content, templates_of(ROOT)), "run: make words"


def test_every_text_is_translated() -> None:
    assert [one.text for one in ENTRIES if not one.translation] == []


def test_a_translation_has_only_values_of_its_text() -> None:
    wrong = [one.text for one in ENTRIES if not fields(one.translation) <= fields(one.text)]
    assert wrong == []


def test_a_finished_text_is_translated_by_its_own_template() -> None:
    wrong = []
    for one in ENTRIES:
        found, wanted = CATALOGUE.translate(filled(one.text)), filled(one.translation)
        if found.replace(" ", "") != wanted.replace(" ", ""):
            wrong.append((one.text, found))
    assert wrong == []

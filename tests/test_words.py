"""Every text has a Chinese one, and the finished text finds it again."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import words
from words.__main__ import FILE, update
from words.extraction import templates_of
from words.po import read

pytestmark = pytest.mark.pure

CHINESE_LOCALE = {"LANG": "zh_CN.UTF-8"}
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


@pytest.fixture
def english_afterwards() -> Iterator[None]:
    yield
    words.choose([], {})


@pytest.mark.parametrize(
    ("typed", "environment", "language"),
    [
        pytest.param([], {}, "en", id="nothing"),
        pytest.param([], CHINESE_LOCALE, "zh", id="the locale"),
        pytest.param([], {"LC_ALL": "C.UTF-8", **CHINESE_LOCALE}, "en", id="LC_ALL first"),
        pytest.param([], {"LC_MESSAGES": "zh_TW", "LANG": "en_GB"}, "zh", id="then LC_MESSAGES"),
        pytest.param([], {"LC_ALL": "", **CHINESE_LOCALE}, "zh", id="an empty variable"),
        pytest.param([], {"LANG": "de_DE.UTF-8"}, "en", id="a language without texts"),
        pytest.param(["--lang", "en"], CHINESE_LOCALE, "en", id="the flag before the locale"),
        pytest.param(["--lang=zh"], {}, "zh", id="the flag with a sign"),
    ],
)
def test_the_language_is_that_of_the_flag_or_else_of_the_locale(
    typed: list[str], environment: dict[str, str], language: str, english_afterwards: None
) -> None:
    assert words.choose([*typed, "--name", "demo"], environment) == ["--name", "demo"]
    assert words.spoken() == language


@pytest.mark.parametrize("typed", [["--lang", "fr"], ["--lang="], ["--lang"]])
def test_a_language_that_is_not_there_is_refused(typed: list[str]) -> None:
    with pytest.raises(words.UnknownLanguage, match="is not one of en, zh"):
        words.choose(typed, {})


@pytest.mark.parametrize(
    ("encoding", "can"), [("utf-8", True), ("gb18030", True), ("ascii", False), ("latin-1", False)]
)
def test_a_terminal_without_chinese_signs_gets_english(encoding: str, can: bool) -> None:
    assert words.can_write("zh", encoding) is can
    assert words.can_write("en", encoding)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("backup", "备份", id="a word of ours alone"),
        pytest.param("  ✓", "  ✓", id="a sign"),
        pytest.param(
            "there is no cluster backup in zone pek3; create it with: "
            "python -m flows.provision --name backup",
            "区域 pek3 中没有集群 backup；创建它：python -m flows.provision --name backup",
            id="a name that is a word of ours",
        ),
        pytest.param(
            "17 to create, 2 kept; 6 of the new ones billed",
            "待创建 17 个，保留 2；其中 6 个新资源计费",
            id="joined texts",
        ),
        pytest.param(
            "Not finished: machine i-1 is billed and is not a node. "
            "Finish it with: python -m flows.provision --name demo",
            "未完成：虚机 i-1 在计费但不是节点。完成它的命令："
            "python -m flows.provision --name demo",
            id="a text within a text",
        ),
        pytest.param(
            "stays at 2 machines, because every pod has room and no rule asks for a change "
            "(decided at 14:05:00)",
            "保持 2 台虚机，因为每个 Pod 都有位置，也没有规则要求变化（决定于 14:05:00）",
            id="brackets",
        ),
        pytest.param("listens on 8080, 6443, 8443", "监听 8080, 6443, 8443", id="a list of values"),
        pytest.param(
            "E: Unable to locate package kubeadm",
            "E: Unable to locate package kubeadm",
            id="another program's words",
        ),
    ],
)
def test_a_text_is_covered_as_far_as_it_is_ours(english: str, chinese: str) -> None:
    assert CATALOGUE.translate(english) == chinese

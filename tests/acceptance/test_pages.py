"""What the article's page and README tell to type is typed, and prints what they show."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.acceptance.reader import Reader, blocks, lines_of, reader_in, typed, without_remark
from tests.acceptance.workplace import ROOT

PAGE, README = "docs/follow-the-article.md", "README.md"
AT_THE_END = ("python -m flows.teardown --yes", "make down")
"""Typed after everything that needs a cluster."""

LOCAL_CLOUD = "python -m localcloud "
OWN_ACCOUNT = "export QINGCLOUD_ACCESS_KEY_ID"

pytestmark = [
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH"),
    pytest.mark.skipif(not (ROOT / ".venv").is_dir(), reason="the pages are typed in a clone"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with reader_in(tmp_path_factory.mktemp("reader")) as reader:
        yield reader


def test_the_tour_prints_what_the_page_shows(reader: Reader) -> None:
    printed = reader.type("qingcloud-k8s tour --yes")
    shown = [lines_of(text) for kind, text in blocks(PAGE) if kind == "text"]
    missing = sum(shown, Counter[str]()) - lines_of(printed)
    print(printed)
    assert not missing
    assert "No local cloud is running" in reader.type("python -m localcloud status")


def test_the_readme_prints_what_it_shows(reader: Reader) -> None:
    printed, unattended = "", ("make deploy", "make worker")
    assert {*unattended} < {*in_page(PAGE)}
    for kind, text in blocks(README):
        if kind == "text":
            assert lines_of(text) <= lines_of(printed), printed
        if kind != "console" or LOCAL_CLOUD in text:
            continue
        if OWN_ACCOUNT in text:
            type_with_own_account(reader, typed(text))
            continue
        now = [line for line in typed(text) if line not in AT_THE_END]
        printed = "".join(reader.type(line.replace("14:05", at_present())) for line in now)
    for line in unattended:
        reader.type(line)
    reader.interrupt()
    check_that_a_teardown_asks(reader)
    for line in (*AT_THE_END, *(one for one in in_page(README) if one.startswith(LOCAL_CLOUD))):
        reader.type(line)


def in_page(page: str) -> list[str]:
    return [line for kind, text in blocks(page) if kind == "console" for line in typed(text)]


def at_present() -> str:
    return f"{datetime.now().astimezone():%H:%M}"


def check_that_a_teardown_asks(reader: Reader) -> None:
    """Without a terminal nobody answers, and nothing is changed."""
    existing = f"{LOCAL_CLOUD}status --json"
    before = json.loads(reader.type(existing))["resources"]
    asked = AT_THE_END[0].removesuffix(" --yes")
    assert "--yes" in reader.type(asked, code=2)
    assert json.loads(reader.type(existing))["resources"] == before


def type_with_own_account(reader: Reader, lines: list[str]) -> None:
    """Type what is meant for a billed account with that of the local cloud, billed.

    The last line asks, and changes nothing, because nobody answers.
    """
    before = dict(reader.environment)
    account = json.loads(reader.type(f"{LOCAL_CLOUD}env --json"))
    reader.environment |= account | {"QINGCLOUD_BILLS": "1"}
    *others, last = (line.replace("203.0.113.0/24", "127.0.0.0/8") for line in lines[1:])
    for line in others:
        reader.type(line)
    assert "no terminal" in reader.type(last, code=2)
    reader.environment = before


LANGUAGES = [
    (page, page.replace(".md", ".zh-CN.md"), number)
    for page in (PAGE, README)
    for number in range(len(blocks(page)))
]


@pytest.mark.pure
@pytest.mark.parametrize(("page", "chinese", "number"), LANGUAGES)
def test_both_languages_show_the_same(page: str, chinese: str, number: int) -> None:
    (kind, text), (other_kind, other) = blocks(page)[number], blocks(chinese)[number]
    assert kind == other_kind
    assert list(map(without_remark, text.splitlines())) == list(
        map(without_remark, other.splitlines())
    )


@pytest.mark.pure
@pytest.mark.parametrize("page", [PAGE, README])
def test_both_languages_have_as_many_blocks(page: str) -> None:
    assert len(blocks(page)) == len(blocks(page.replace(".md", ".zh-CN.md")))

"""The tour: what the article's page types, in both languages, and how it ends."""

import io
import re
import string
from pathlib import Path

import pytest
import yaml

import words
from deployments import tour
from deployments._flags.tour import Flags
from deployments.tour.steps import FILES, Command, read_steps, read_words, say
from domain.kernel.errors import BadRequest
from domain.spec.cluster import parse_spec
from words import LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
ONLY_TOUR = ("qingcloud-k8s server ", "qingcloud-k8s local ", "cat ")
ONLY_PAGE = ("make ", ". ")


def on_the_page() -> list[str]:
    page = (ROOT / "docs/follow-the-article.md").read_text(encoding="utf-8")
    lines = [re.sub(r"\s+#\s.*$", "", line) for line in re.findall(r"^\$ (.*)$", page, re.M)]
    return [line.replace("deployments/tour/files/", "") for line in lines]


def test_the_page_types_what_the_tour_types() -> None:
    typed = [one.line for step in read_steps() for one in step.commands]
    typed.remove("qingcloud-k8s provision")  # on the page, a part of `make provision`
    assert [line for line in typed if not line.startswith(ONLY_TOUR)] == [
        line for line in on_the_page() if not line.startswith(ONLY_PAGE)
    ]


def test_the_page_shows_the_tours_description() -> None:
    page = (ROOT / "docs/follow-the-article.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", page, re.M | re.S)
    shipped = yaml.safe_load((FILES / "article.yaml").read_text())
    assert yaml.safe_load(shown) == shipped
    assert parse_spec(shipped).nodes.count == 3


def test_every_text_is_there_in_each_language_with_the_same_values() -> None:
    texts = [*read_words().values(), *(t for step in read_steps() for t in (step.title, step.why))]
    for text in texts:
        assert set(text) == set(LANGUAGES)
        values = [{name for _, name, _, _ in string.Formatter().parse(text[one])} for one in text]
        assert values[0] - {None} == values[1] - {None}


def test_what_is_waited_for_is_the_same_in_each_language() -> None:
    waited = [one.until for step in read_steps() for one in step.commands if one.until]
    assert waited == ["4 → 5"]


def test_commands_speak_the_language_that_was_chosen() -> None:
    ours, other = Command("qingcloud-k8s demo"), Command("kubectl get nodes")
    assert ours.in_language("zh").line == "qingcloud-k8s demo --lang zh"
    assert ours.in_language("") == ours
    assert other.in_language("zh") == other


def test_only_the_last_step_takes_anything_away() -> None:
    *others, last = read_steps()
    assert any("teardown" in one.line for one in last.commands)
    assert not any("teardown" in one.line for step in others for one in step.commands)


def test_a_tour_that_cannot_begin_is_refused_in_the_chosen_language(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kubectl").touch(mode=0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    words.choose(["--lang", "zh"])
    try:
        with pytest.raises(BadRequest, match="没有终端时请加 --yes"):
            tour.main(Flags())
    finally:
        words.choose([], {})


def test_without_kubectl_the_tour_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BadRequest, match="needs kubectl, which is not on PATH"):
        tour.main(Flags(yes=True))


def test_a_sentence_names_how_to_go_on_and_how_to_clean_up() -> None:
    for language in LANGUAGES:
        told = say("stopped", language, number=4)
        assert "4" in told
        for line in ("tour", "teardown --account local --yes", "local down", "server down"):
            assert f"  qingcloud-k8s {line}" in told

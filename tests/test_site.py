"""The documentation's site: links, pages from the code, and a build without warnings."""

import re
from pathlib import Path

import pytest

from deployments.console import COMMANDS
from docs.site.build import ROOT, build, gather
from docs.site.markdown import on_site, table
from docs.site.reference import pages
from domain.kernel.errors import ClusterError
from domain.spec.alarms import BUILT_IN as ALARMS
from domain.spec.cluster import ClusterSpec
from domain.spec.metrics import BUILT_IN as METRICS
from domain.spec.presets import PRESETS

PAGES = pages()
KNOWN = {"team.md", "operations.md", "topology.svg", "reference/file.md"}


@pytest.mark.pure
@pytest.mark.parametrize(
    ("source", "text", "shown"),
    [
        pytest.param("README.md", "[a](docs/team.md#x)", "[a](team.md#x)", id="from the README"),
        pytest.param("docs/team.md", "[a](../README.md)", "[a](index.md)", id="to the README"),
        pytest.param("docs/team.md", "[a](operations.md)", "[a](operations.md)", id="beside"),
        pytest.param("README.md", "![a](docs/topology.svg)", "![a](topology.svg)", id="a picture"),
        pytest.param("README.md", "[a](https://b.c)", "[a](https://b.c)", id="outside"),
        pytest.param("docs/team.md", "[a](#b)", "[a](#b)", id="within"),
        pytest.param("docs/team.md", "See. [中文](team.zh-CN.md)", "See.", id="other language"),
        pytest.param(
            "docs/team.zh-CN.md", "[a](operations.md)", "[a](operations.md)", id="from Chinese"
        ),
        pytest.param(
            "docs/team.md", "[f](../installers/f2cadm)", "f (`installers/f2cadm`)", id="no page"
        ),
        pytest.param(
            "docs/team.md", "[`a/b`](../a/b)", "`a/b`", id="no page, whose path is the words"
        ),
    ],
)
def test_a_link_leads_to_the_page_of_the_site(source: str, text: str, shown: str) -> None:
    assert on_site(text, source, KNOWN.__contains__) == shown


@pytest.mark.pure
def test_a_cell_stays_in_its_cell() -> None:
    assert table(("a",), [("b | c\nd",)]).splitlines()[-1] == r"| b \| c d |"


@pytest.mark.pure
def test_the_reference_has_every_command_and_key_and_metric_and_error() -> None:
    for name in COMMANDS:
        assert f"\n## {name}\n" in PAGES["reference/commands.md"]
    for key in ClusterSpec.model_fields:
        assert f"\n## {key}\n" in PAGES["reference/file.md"]
    for name in [*METRICS, *(rule.name for rule in ALARMS)]:
        assert f"| `{name}` |" in PAGES["reference/metrics.md"]
    for name in PRESETS:
        assert f"\n## {name}\n" in PAGES["reference/policies.md"]
    for kind in ClusterError.__subclasses__():
        assert f"| `{kind.__name__}` |" in PAGES["reference/errors.md"]


@pytest.mark.pure
def test_the_reference_says_what_a_flag_and_a_key_take() -> None:
    commands, file = PAGES["reference/commands.md"], PAGES["reference/file.md"]
    assert "| `--group` | text | Machine group | `k8s-node` |" in commands
    assert (
        "| `--script` | file | The file with the script, which prints one number | must be"
        in commands
    )
    assert "| `masters.count` | `1`, `3`, `5` | `1` |" in file
    assert "`groups.<name>.scaling.rules[].threshold`" in file
    assert "`monitoring.custom[].script`" in file


@pytest.mark.pure
def test_pages_from_the_code_are_in_chinese_with_as_many_lines() -> None:
    for name in {name.partition(".")[0] for name in PAGES}:
        english, chinese = PAGES[f"{name}.md"], PAGES[f"{name}.zh.md"]
        assert len(english.splitlines()) == len(chinese.splitlines())
    assert "| `--nodes` | 数字 | 节点数量（新集群：2） |" in PAGES["reference/commands.zh.md"]
    assert "| 节点未就绪 |" in PAGES["reference/metrics.zh.md"]
    assert (
        "| `nodes.minimum` | 整数，0– | `0` | 伸缩不会低于此数 |" in PAGES["reference/file.zh.md"]
    )
    assert "优先级更低的 Pod 不会购买也不会保留虚机。若未给出：-10" in PAGES["reference/file.zh.md"]


@pytest.mark.pure
@pytest.mark.parametrize("page", [file.name for file in (ROOT / "docs").glob("*.zh-CN.md")])
def test_a_page_in_chinese_has_as_many_headings_as_the_english_one(page: str) -> None:
    def headings(name: str) -> list[str]:
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        return re.findall(r"^#+(?= )", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M)

    assert headings(page) == headings(page.replace(".zh-CN", ""))


@pytest.mark.pure
@pytest.mark.parametrize("page", [file.name for file in (ROOT / "docs").glob("*.zh-CN.md")])
def test_a_page_in_chinese_has_the_code_of_the_english_one(page: str) -> None:
    def code(name: str) -> list[str]:
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        blocks = re.findall(r"^```.*?^```", text, re.M | re.S)
        return [re.sub(r"(^|[ \t]+)#\s.*$| title=.*$", "", one, flags=re.M) for one in blocks]

    assert code(page) == code(page.replace(".zh-CN", ""))


@pytest.mark.local
def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert build(site) == 0
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"(.*?)\"", text)
        assert not [one for one in loaded if re.match(r"(https?:)?//", one)], page
    assert "跟着文章做一遍" in (site / "zh/follow-the-article.html").read_text(encoding="utf-8")


@pytest.mark.local
def test_every_page_of_docs_is_on_the_site(tmp_path: Path) -> None:
    gather(tmp_path)
    nav = (ROOT / "docs/site/mkdocs.yml").read_text(encoding="utf-8")
    for page in tmp_path.rglob("*.md"):
        name = page.relative_to(tmp_path).as_posix().replace(".zh.md", ".md")
        assert f": {name}\n" in nav, f"name {name} below `nav` in docs/site/mkdocs.yml"

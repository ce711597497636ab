"""Commands in Chinese: the whole picture is, columns stand below each other, JSON is the same."""

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from rich.cells import cell_len

import words
from domain.cloud.plan import Action, Plan, PlanItem
from domain.node.scripts import End, ScriptReport, ScriptResult
from flows._cli.console import print_json, show_error
from flows._cli.language import Terminal
from flows._cli.terminal import Steps, show_plan, show_report, show_scripts
from tests.report_makers import make_report

PLAN = Plan(
    "demo",
    (
        PlanItem("router", "k8s.demo.router", Action.CREATE, "missing", billed=True),
        PlanItem("load balancer", "backup", Action.KEEP, "as wanted"),
    ),
)


@pytest.fixture(autouse=True)
def chinese() -> Iterator[None]:
    words.choose(["--lang", "zh"])
    yield
    words.choose([], {})


def make_terminal() -> Terminal:
    return Terminal(file=StringIO(), width=100)


def written(console: Terminal) -> list[str]:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def column(line: str, word: str) -> int:
    """Where a word begins, in columns of the terminal."""
    return cell_len(line[: line.index(word)])


def test_a_plan_is_in_chinese_and_its_columns_stand_below_each_other() -> None:
    console = make_terminal()
    show_plan(PLAN, console)
    title, head, first, second, *_ = written(console)
    assert title == "集群 demo 的计划"
    assert "路由器" in first
    assert "缺失" in first
    assert "计费" in first
    assert column(head, "名称") == column(first, "k8s.demo.router") == column(second, "backup")
    assert "待创建 1 个，保留 1；其中 1 个新资源计费" in written(console)


def test_finished_steps_have_their_durations_and_outcomes_below_each_other() -> None:
    console = make_terminal()
    with Steps(console) as steps:
        for name, seconds in (("router of demo", 0.4), ("machines k8s-node of demo", 83.0)):
            steps.started(name)
            steps.finished(name, "created rtr-1", seconds)
    first, second = written(console)
    assert first.split() == ["✓", "0.4", "s", "demo", "的路由器", "已创建", "rtr-1"]
    assert column(first, "已创建") == column(second, "已创建")
    assert "router of demo" in [step.name for step in steps.timeline("").steps]


def test_names_and_the_output_of_scripts_stay_as_they_are() -> None:
    console = make_terminal()
    result = ScriptResult("k8s-node", "i-1", "router", End.DONE, 0, 1.0, "deleted\nready\n")
    show_scripts(ScriptReport("demo", (result,)), whole=True, console=console)
    lines = [line.split() for line in written(console)]
    assert ["✓", "router", "完成", "0", "1.0", "s", "ready"] in lines
    assert ["deleted"] in lines


def test_a_report_has_no_english_sentence_left() -> None:
    console = make_terminal()
    show_report(make_report(alarms=()), console=console)
    text = "\n".join(written(console))
    for wanted in ("集群 demo", "虚机", "就绪", "告警：没有触发的，也没有待确认的", "端口 10022"):
        assert wanted in text
    assert "Ready" not in text


def test_an_error_is_in_chinese() -> None:
    console = make_terminal()
    show_error("unknown group 'fast'; the groups of nodes are: k8s-node", console)
    assert written(console) == ["错误：未知的组 'fast'；节点组有：k8s-node"]


def test_json_is_the_same_in_each_language(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(PLAN)
    shown = json.loads(capsys.readouterr().out)
    assert [item["reason"] for item in shown["items"]] == ["missing", "as wanted"]

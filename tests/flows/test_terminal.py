import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from io import StringIO
from pathlib import Path
from threading import Event, Thread

import pytest
from prefect.logging.handlers import PrefectConsoleHandler
from rich.console import Console

from domain.cloud.plan import Action, Plan, PlanItem
from domain.kernel.errors import NotConfirmed
from domain.reports.cluster import Endpoint
from flows._cli.console import last_line, to_line
from flows._cli.quiet import quiet_prefect
from flows._cli.terminal import (
    Steps,
    confirm,
    print_json,
    show_error,
    show_plan,
    show_report,
)
from flows._cli.terminal.tables import summarise
from tests.report_makers import make_machine, make_many, make_node, make_report


def make_terminal(width: int = 100) -> Console:
    """A console that believes in a terminal, and keeps what is written to it."""
    return Console(
        file=StringIO(), force_terminal=True, force_interactive=True, width=width, height=25
    )


def make_pipe(file: StringIO | None = None) -> Console:
    return Console(file=file or StringIO(), force_terminal=False, width=120)


def written(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def visible(console: Console) -> list[str]:
    """What a person has read, line by line, without colours and cursor movements."""
    return [line for line in map(to_line, written(console).split("\n")) if line]


@pytest.fixture
def prefect_console() -> Iterator[logging.Handler]:
    """Prefect's own handler for the terminal, with its filters put back afterwards."""
    [handler] = [h for h in logging.getLogger().handlers if isinstance(h, PrefectConsoleHandler)]
    filters = list(handler.filters)
    yield handler
    handler.filters = filters


class Keyboard(StringIO):
    def isatty(self) -> bool:
        return True


class Listening(StringIO):
    """A file that tells when certain words arrive."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words
        self.written = Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        if self._words in self.getvalue():
            self.written.set()
        return count


# Steps.


def test_without_a_terminal_each_finished_step_is_one_plain_line() -> None:
    console = make_pipe()
    with Steps(console) as steps:
        steps.started("ensure network")
        steps.finished("ensure network", "created rtr-1", 4.2)
        steps.started("install k8s-node-a")
        steps.failed("install k8s-node-a", "exit code 100", 83)
    first, second = written(console).splitlines()
    assert first.split() == ["✓", "4.2", "s", "ensure", "network", "created", "rtr-1"]
    assert second.split() == ["✗", "83", "s", "install", "k8s-node-a", "exit", "code", "100"]
    assert first.index("created") == second.index("exit")


def test_without_a_terminal_no_control_character_is_written() -> None:
    console = make_pipe()
    with Steps(console) as steps:
        steps.started("install")
        steps.progress("install", "\x1b[31m10%\r20%\x1b[0m\x07\n")
        steps.finished("install", "\x1b[2Jdone\x07\nreally", 1)
    text = written(console)
    assert "done really" in text
    assert all(character.isprintable() for character in text.replace("\n", ""))


def test_long_silence_without_a_terminal_is_broken_by_what_is_running() -> None:
    file = Listening("still running: install k8s-master-m (0 s: Setting up kubeadm)")
    with Steps(make_pipe(file), silence=0.01) as steps:
        steps.started("install k8s-master-m")
        steps.progress("install k8s-master-m", "Setting up kubeadm\n")
        assert file.written.wait(5)
        steps.finished("install k8s-master-m", "kubeadm 1.36.4", 1)


def test_on_a_terminal_running_steps_are_live_and_finished_ones_stay() -> None:
    file = Listening("Unpacking containerd")
    console = Console(file=file, force_terminal=True, force_interactive=True, width=100, height=25)
    with Steps(console) as steps:
        steps.started("install k8s-node-a")
        steps.progress("install k8s-node-a", "Get:1 noble\nUnpacking containerd\n")
        assert file.written.wait(5)
        steps.finished("install k8s-node-a", "packages and images", 83)
    line = next(line for line in visible(console) if "✓" in line)
    assert "install k8s-node-a packages and images 83 s" in line
    assert "\x1b[?25l" in written(console)  # the cursor is hidden while the area lives …
    assert "\x1b[?25h" in written(console)  # … and comes back


def test_on_a_terminal_a_long_message_is_kept_whole() -> None:
    console = make_terminal(width=80)
    message = "the mirror https://mirrors.example.org does not answer, choose another one " * 2
    with Steps(console) as steps:
        steps.failed("install", message, 83)
    joined = "".join("".join(visible(console)).split())
    for word in message.split():
        assert word in joined


def test_more_running_steps_than_lines_are_counted() -> None:
    file = Listening("… and 20 more")
    console = Console(file=file, force_terminal=True, force_interactive=True, width=100, height=25)
    with Steps(console) as steps:
        for number in range(30):
            steps.started(f"install k8s-node-{number}")
        assert file.written.wait(5)
        for number in range(30):
            steps.finished(f"install k8s-node-{number}", "done", 1)


@pytest.mark.parametrize("make_console", [make_terminal, make_pipe])
def test_steps_of_many_threads_are_all_printed_and_recorded(make_console: object) -> None:
    assert callable(make_console)
    console = make_console()

    def run(name: str) -> None:
        steps.started(name)
        for line in range(20):
            steps.progress(name, f"line {line}")
        steps.finished(name, "done", 1.0)

    with Steps(console) as steps:
        threads = [Thread(target=run, args=(f"step-{number:02}",)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    finished = [line for line in visible(console) if "✓" in line]
    assert len(finished) == 20
    assert len(steps.timeline("Run").steps) == 20


def test_markup_in_a_name_is_shown_as_it_is() -> None:
    console = make_pipe()
    with Steps(console) as steps:
        steps.finished("[red]name[/red]", "[bold]done", 1)
    assert "[red]name[/red]" in written(console)
    assert "[bold]done" in written(console)


def test_timeline_holds_steps_with_their_times_and_outcomes() -> None:
    steps = Steps(make_pipe())
    steps.started("network")
    steps.finished("network", "created rtr-1", 4.0)
    steps.failed("join", "no answer", 2.0)
    timeline = steps.timeline("Provision of demo")
    assert timeline.title == "Provision of demo"
    by_name = {step.name: step for step in timeline.steps}
    assert by_name["network"].outcome == "created rtr-1"
    took = by_name["network"].ended - by_name["network"].started
    assert took.total_seconds() == pytest.approx(4.0)
    assert [step.failed for step in (by_name["network"], by_name["join"])] == [False, True]


def test_step_that_an_error_interrupts_is_printed_and_recorded() -> None:
    console = make_pipe()
    steps = Steps(console)

    def run() -> None:
        with steps:
            steps.started("join")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert "did not finish" in written(console)
    assert steps.timeline("Run").steps[0].failed


def test_progress_of_an_unknown_step_is_ignored() -> None:
    steps = Steps(make_pipe())
    steps.progress("", "words")
    assert steps.timeline("Run").steps == ()


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("one\ntwo\n\n", "two"),
        ("10 %\r20 %\r", "20 %"),
        ("\x1b]0;title\x07\x1b[1;32mok\x1b[0m", "ok"),
        ("\n\r\n", ""),
    ],
)
def test_last_line_is_the_last_one_with_text(output: str, line: str) -> None:
    assert last_line(output) == line


# Plans and reports.


def make_item(action: Action, kind: str = "router", **changes: object) -> PlanItem:
    values = {"name": "k8s.demo.router", "reason": "missing"} | changes
    return PlanItem(kind=kind, action=action, **values)  # type: ignore[arg-type]


def test_plan_shows_sign_kind_name_id_and_reason_of_each_item() -> None:
    console = make_pipe()
    plan = Plan(
        "demo",
        (
            make_item(Action.CREATE, "machine", name="k8s.demo.k8s-node", count=2, billed=True),
            make_item(Action.KEEP, "vxnet", id="vxnet-1", reason="as wanted"),
        ),
    )
    show_plan(plan, console)
    lines = [" ".join(line.split()) for line in written(console).splitlines()]
    assert "+ machine k8s.demo.k8s-node × 2 missing billed" in lines
    assert "= vxnet k8s.demo.router vxnet-1 as wanted" in lines
    assert "2 to create, 1 kept; 2 of the new ones billed" in lines


def test_each_action_has_a_sign_and_a_word_of_its_own() -> None:
    lines = set()
    for action in Action:
        console = make_pipe()
        show_plan(Plan("demo", (make_item(action),)), console)
        lines.add(written(console))
    assert len(lines) == len(Action)


def test_summary_counts_by_action() -> None:
    items = (
        make_item(Action.KEEP, count=12),
        make_item(Action.CHANGE),
        make_item(Action.CREATE, count=3),
    )
    assert summarise(Plan("demo", items)) == "3 to create, 1 to change, 12 kept"


def test_summary_without_changes_is_nothing_to_do() -> None:
    assert summarise(Plan("demo", (make_item(Action.KEEP),))) == "Nothing to do: 1 kept"
    assert summarise(Plan("demo", ())) == "Nothing to do: nothing exists"


def test_report_shows_endpoints_machines_and_next_commands() -> None:
    console = make_pipe()
    report = make_report(
        ui=Endpoint("https://127.0.16.1:8443", ready=False),
        nodes=(make_node("k8s-master-m"), make_node("k8s-node-a", ready=False)),
    )
    show_report(report, ("python -m flows.status", "kubectl get nodes"), console)
    lines = [" ".join(line.split()) for line in written(console).splitlines()]
    assert "✓ API https://127.0.16.1:8080" in lines
    assert "✗ UI https://127.0.16.1:8443 does not answer" in lines
    assert "✗ k8s-node-a k8s-node 192.168.1.3 s1.large.r2 NotReady 3 of 40" in lines
    assert "○ k8s-node-b k8s-node 192.168.1.4 s1.large.r2 no node" in lines
    assert lines[-2:] == ["python -m flows.status", "kubectl get nodes"]


def test_long_report_is_cut_and_counted() -> None:
    console = make_pipe()
    show_report(make_many(60), console=console)
    assert "… and 20 more: 20 Ready" in written(console)


def test_report_names_nodes_without_a_machine() -> None:
    console = make_pipe()
    report = make_report(machines=(make_machine(),), nodes=(make_node("k8s-node-gone"),))
    show_report(report, console=console)
    assert "Nodes without a machine: k8s-node-gone" in written(console)


# Errors, questions, JSON.


def test_error_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    show_error("cluster name 'Demo' is wrong:\nuse lower-case letters " + "and so on " * 20)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: cluster name 'Demo' is wrong: use lower-case letters and so on")
    assert err.count("\n") == 1


def test_quiet_prefect_keeps_tracebacks_out_of_the_terminal(
    prefect_console: logging.Handler,
) -> None:
    failed = logging.LogRecord("prefect.flow_runs", logging.ERROR, "", 0, "Traceback", None, None)
    assert prefect_console.filter(failed)
    quiet_prefect()
    assert not prefect_console.filter(failed)


def test_all_text_for_people_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with Steps() as steps:
        steps.finished("network", "created", 1)
    show_plan(Plan("demo", (make_item(Action.CREATE),)))
    show_report(make_report(), ("make down",))
    out, err = capsys.readouterr()
    assert out == ""
    for words in ("network", "missing", "k8s-node-a", "make down"):
        assert words in err


@pytest.mark.parametrize(
    ("answer", "agreed"),
    [("y\n", True), ("Yes\n", True), ("n\n", False), ("\n", False), ("", False), ("yep\n", False)],
)
def test_only_yes_is_a_yes(answer: str, agreed: bool) -> None:
    console = make_terminal()
    assert confirm("Delete 3 machines?", console, Keyboard(answer)) is agreed
    assert "Delete 3 machines? [y/N]" in " ".join(visible(console))


@pytest.mark.parametrize(
    ("console", "keyboard"),
    [
        pytest.param(make_pipe(), Keyboard("y\n"), id="nobody reads the question"),
        pytest.param(make_terminal(), StringIO("y\n"), id="nobody types the answer"),
    ],
)
def test_question_without_a_terminal_names_the_flag(console: Console, keyboard: StringIO) -> None:
    with pytest.raises(NotConfirmed, match=r"Delete 3 machines\?.*--yes"):
        confirm("Delete 3 machines?", console, keyboard)


def test_json_is_the_only_thing_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with Steps() as steps:
        steps.finished("read", "3 machines", 1)
        print_json(make_report())
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["api"] == {"url": "https://127.0.16.1:8080", "ready": True}
    assert document["ui"]["ready"] is True
    assert {"name", "group", "private_ip", "status"} <= set(document["machines"][0])
    assert {"name", "group", "ready", "schedulable", "pods", "pods_allocatable"} <= set(
        document["nodes"][0]
    )
    assert "read" in err


def test_json_on_a_terminal_is_not_drawn_into_the_live_area(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = make_terminal()
    with Steps(console) as steps:
        steps.started("read")
        print_json({"cluster": "demo"})
        steps.finished("read", "done", 1)
    assert json.loads(capsys.readouterr().out) == {"cluster": "demo"}
    assert "cluster" not in written(console)


def test_json_takes_our_records_and_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    class Colour(StrEnum):
        RED = "red"

    @dataclass
    class Thing:
        when: datetime
        where: Path
        colour: Colour
        names: tuple[str, ...]

    moment = datetime(2026, 3, 1, tzinfo=UTC)
    print_json({Action.KEEP: [Thing(moment, Path("a/b"), Colour.RED, ("x",)), None, 1.5]})
    thing = {"when": "2026-03-01T00:00:00+00:00", "where": "a/b", "colour": "red", "names": ["x"]}
    assert json.loads(capsys.readouterr().out) == {"keep": [thing, None, 1.5]}

"""Tables and steps in a narrow terminal, and signs that a terminal cannot show."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from domain.cloud.inventory import Inventory
from domain.cloud.planning import plan_cluster
from domain.spec.cluster import ClusterSpec
from flows._cli.console import SIGNS
from flows._cli.terminal import show_plan, show_report
from flows._cli.terminal.steps import Steps
from tests.report_makers import make_report

NARROW = 40


def narrow(*, interactive: bool = False) -> Console:
    return Console(file=io.StringIO(), width=NARROW, force_terminal=interactive, color_system=None)


def lines_of(console: Console) -> list[str]:
    file = console.file
    assert isinstance(file, io.StringIO)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_a_plan_of_forty_columns_has_each_word_on_a_line_of_its_own() -> None:
    console = narrow()
    show_plan(plan_cluster(ClusterSpec(), Inventory("demo")), console)
    lines = lines_of(console)
    assert max(map(len, lines)) <= NARROW
    assert "  + machine" in lines
    assert "    name: k8s.demo.k8s-node × 2" in lines
    assert "    why: 0 exist, 2 wanted  billed" in lines


def test_a_report_of_forty_columns_names_each_machine_and_its_state() -> None:
    console = narrow()
    report = make_report()
    show_report(report, console=console)
    lines = lines_of(console)
    for machine in report.machines:
        at = lines.index(f"  ✓ {machine.name}")
        assert f"    address: {machine.private_ip}" in lines[at : at + 7]
        assert "    state: Ready" in lines[at : at + 7]


def test_a_table_that_fits_stays_a_table() -> None:
    console = Console(file=io.StringIO(), width=110, color_system=None)
    show_plan(plan_cluster(ClusterSpec(), Inventory("demo")), console)
    assert any(line.split() == ["Kind", "Name", "Why"] for line in lines_of(console))


def test_a_step_of_forty_columns_has_its_outcome_below() -> None:
    console = narrow(interactive=True)
    steps = Steps(console)
    steps.started("router of demo")
    steps.finished("router of demo", "created rtr-1a2b3c4d", 3.2)
    assert "✓ router of demo 3.2 s" in lines_of(console)
    assert "  created rtr-1a2b3c4d" in lines_of(console)


@pytest.mark.local
def test_signs_that_the_terminal_has_not_are_written_in_another_way() -> None:
    program = (
        "from flows._cli.console import SIGNS, open_console\n"
        "open_console().print(''.join(SIGNS) + ' 演')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stderr.decode("ascii").strip() == "".join(SIGNS.values()) + " ?"

"""A script on fifty machines with real SSH servers, through a master as the jump host."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from domain.cloud.records import Instance, InstanceStatus
from domain.kernel.names import NODES
from domain.node.scripts import End, Script, ScriptResult
from tasks.scripts import Turns, run_on_machines, visit_in_turns
from tests.domain.clocks import JumpingClock
from tests.domain.makers import make_instance
from tests.tasks.ssh_machines import Machines

SCRIPT = """\
[[ ! -e $SYSROOT/hangs ]] || sleep 600
[[ ! -e $SYSROOT/fails ]] || { echo "the disk of $HOSTNAME is full" >&2; exit 3; }
echo fine
"""


def test_fifty_machines_of_which_three_fail_and_one_hangs(
    make_machines: Callable[[int], Machines], tmp_path: Path
) -> None:
    machines = make_machines(50)
    for number in (7, 19, 33):
        (tmp_path / f"i-{number:02}/fails").touch()
    (tmp_path / "i-42/hangs").touch()
    stopped = replace(make_instance(51, status=InstanceStatus.STOPPED), id="i-51")
    found = run_on_machines(
        machines.open(), [*machines.nodes, stopped], Script(SCRIPT, timeout=3), Turns()
    )
    ends = {one.machine: one for one in found}
    assert list(ends) == sorted(ends)
    assert Counter(one.end for one in found) == {
        End.DONE: 46,
        End.FAILED: 3,
        End.TIMED_OUT: 1,
        End.NOT_REACHED: 1,
    }
    assert {one.machine for one in found if one.end is End.FAILED} == {"i-07", "i-19", "i-33"}
    assert (ends["i-07"].exit_code, "is full" in ends["i-07"].last_line) == (3, True)
    assert (ends["i-42"].end, ends["i-42"].exit_code) == (End.TIMED_OUT, None)
    assert ends["i-01"].output == "fine\n"
    assert "stopped" in ends["i-51"].why


def test_the_master_runs_a_script_itself_and_a_silent_machine_is_named(
    make_machines: Callable[[int], Machines],
) -> None:
    machines = make_machines(1)
    [node] = machines.nodes
    gone = replace(node, id="i-99", private_ip="10.0.0.99")
    unknown = replace(node, id="i-98")
    found = run_on_machines(
        machines.open(), [machines.master, node, gone, unknown], Script("echo fine"), Turns()
    )
    ends = {one.machine: one for one in found}
    assert (ends[machines.master.id].end, ends[node.id].end) == (End.DONE, End.DONE)
    assert ends["i-99"].end is ends["i-98"].end is End.NOT_REACHED
    assert "host key" in ends["i-98"].why


def visit_all(count: int, turns: Turns, fails: int) -> tuple[list[End], JumpingClock]:
    clock = JumpingClock()
    machines = [make_instance(number) for number in range(count)]

    def result(machine: Instance, end: End) -> ScriptResult:
        return ScriptResult(NODES, machine.id, machine.id, end)

    def visit(machine: Instance) -> ScriptResult:
        return result(machine, End.FAILED if machine is machines[fails] else End.DONE)

    with ThreadPoolExecutor(turns.at_once) as pool:
        found = visit_in_turns(
            machines, turns, visit, lambda one: result(one, End.NOT_RUN), clock, pool
        )
    return [one.end for one in found], clock


def test_a_failure_ends_a_fast_run_and_no_other() -> None:
    ends, _ = visit_all(5, Turns(at_once=1, fail_fast=True), fails=1)
    assert ends == [End.DONE, End.FAILED, End.NOT_RUN, End.NOT_RUN, End.NOT_RUN]
    ends, _ = visit_all(3, Turns(at_once=1), fails=1)
    assert ends == [End.DONE, End.FAILED, End.DONE]


def test_machines_begin_one_after_the_other_where_it_is_wanted() -> None:
    _, clock = visit_all(3, Turns(at_once=2, delay=30, interval=5), fails=0)
    assert clock.slept == [30, 5, 5]

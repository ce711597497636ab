"""Whether another process has provably ended."""

import os
import subprocess
import sys

from blocks.processes import has_ended, process_start, process_table, this_process


def test_a_process_that_runs_has_not_ended() -> None:
    assert not has_ended(*this_process())


def test_a_process_that_was_killed_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        known = process.pid, process_table(), process_start(process.pid)
        assert known[2]
        assert not has_ended(*known)
        process.kill()
    assert has_ended(*known)


def test_another_process_of_the_same_number_is_not_the_one_that_has_ended() -> None:
    assert has_ended(os.getpid(), process_table(), "1")


def test_nothing_is_proved_about_processes_of_another_machine_or_container() -> None:
    process, table, start = this_process()
    assert not has_ended(process, table.replace("pid:", "pid:9"), "1")
    assert not has_ended(process, "", start)
    assert not has_ended(process, table, "")

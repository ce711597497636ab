"""A user's script on one machine: bounds on time and output, and what is refused before it runs."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.kernel.errors import InvalidSpec, TemporaryError
from domain.node.scripts import (
    MOST_OUTPUT,
    End,
    Script,
    ScriptReport,
    ScriptResult,
    check_bounds,
    run_script,
)
from domain.node.shell import Output
from domain.spec.scripts import MOST_SCRIPT, check_script

PLACE = ("k8s-node", "i-one", "k8s-node-one")


class Bash:
    """A shell on this machine, whose root is a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def run(
        self, argv: Sequence[str], *, deadline: float, stdin: bytes = b"", **_: object
    ) -> Output:
        environment = {"PATH": os.environ["PATH"], "SYSROOT": str(self._root)}
        done = subprocess.run(
            argv, input=stdin, capture_output=True, timeout=deadline, env=environment, check=False
        )
        return Output(done.stdout.decode(), done.stderr.decode(), done.returncode)

    def write_file(self, path: str, content: bytes, mode: int) -> None: ...


def run(root: Path, text: str, timeout: int = 20, **variables: str) -> ScriptResult:
    return run_script(Bash(root), PLACE, Script(text, timeout, variables))


@pytest.mark.local
def test_a_script_gives_its_code_and_both_streams_in_order(tmp_path: Path) -> None:
    found = run(tmp_path, "echo one; echo two >&2; echo $WHO; exit 3", WHO="three")
    assert (found.end, found.exit_code, found.output) == (End.FAILED, 3, "one\ntwo\nthree\n")
    assert found.last_line == "three"
    assert list((tmp_path / "var/lib/k8s-qingcloud/scripts").iterdir()) == []


@pytest.mark.local
def test_an_interpreter_line_is_followed(tmp_path: Path) -> None:
    found = run(tmp_path, "#!/usr/bin/env -S awk -f\nBEGIN { print 6 * 7 }\n")
    assert (found.end, found.output) == (End.DONE, "42\n")


@pytest.mark.local
def test_a_script_that_hangs_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    found = run(tmp_path, "echo begun; sleep 600 & sleep 600; echo never", timeout=1)
    assert (found.end, found.exit_code, found.output) == (End.TIMED_OUT, None, "begun\n")


@pytest.mark.local
def test_endless_output_is_cut_and_its_end_kept(tmp_path: Path) -> None:
    found = run(tmp_path, "seq 100000; echo end; read line || echo no input")
    assert found.output.endswith("100000\nend\nno input\n")
    assert len(found.output.encode()) == MOST_OUTPUT


def test_a_broken_connection_is_a_result() -> None:
    class Broken(Bash):
        def run(self, argv: Sequence[str], *, deadline: float, **_: object) -> Output:
            raise TemporaryError("the connection broke")

    found = run_script(Broken(Path()), PLACE, Script("date"))
    assert (found.end, found.exit_code, found.why) == (
        End.NOT_REACHED,
        None,
        "the connection broke",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(" \n", "is empty", id="empty"),
        pytest.param("a\nb\r\nc", "carriage return in line 2", id="windows"),
        pytest.param("a\0b", "zero byte", id="binary"),
        pytest.param("x" * (MOST_SCRIPT + 1), "262145 bytes", id="long"),
    ],
)
def test_a_script_that_would_fail_half_way_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        check_script(text)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((0, 1, 0, 0), "--timeout 0"),
        ((1, 0, 0, 0), "--at-once 0"),
        ((1, 65, 0, 0), "--at-once 65"),
        ((1, 1, -1, 0), "--delay -1"),
        ((1, 1, 0, 3601), "--interval 3601"),
    ],
)
def test_numbers_have_bounds(bounds: tuple[int, int, int, int], words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        check_bounds(*bounds)


def test_the_sentence_names_the_kinds_of_failure() -> None:
    ends = [End.DONE, End.FAILED, End.FAILED, End.TIMED_OUT]
    results = tuple(
        ScriptResult("k8s-node", f"i-{number}", f"n-{number}", end)
        for number, end in enumerate(ends)
    )
    assert ScriptReport("k8s-node", results).sentence == (
        "the script did not end well on 3 of 4 machines of k8s-node: "
        "2 failed (n-1, n-2), 1 timed out (n-3)"
    )
    assert "ended well on 1 machine" in ScriptReport("k8s-node", results[:1]).sentence

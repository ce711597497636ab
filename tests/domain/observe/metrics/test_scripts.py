"""FIT2CLOUD's contract: one number, or a gap with its reason."""

import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from domain.kernel.errors import ClusterError, TemporaryError, WaitTimedOut
from domain.node.shell import Output
from domain.observe.metrics.records import Gap, Sample
from domain.observe.metrics.scripts import (
    LONGEST_VISIT,
    MOST_OUTPUT,
    WITHOUT_AGENT,
    Place,
    Script,
    measure,
    read_number,
    scripts_for,
)
from domain.spec.monitoring import Monitor
from tests.domain.clocks import JumpingClock

pytestmark = pytest.mark.local  # bash runs the scripts

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
PLACE = Place("demo", "k8s-node", "k8s-node-one")


class Bash:
    """A shell on this machine; like SSH, it returns only when the output has ended."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def run(self, argv: Sequence[str], *, deadline: float, **_: object) -> Output:
        self.ran.append(argv[4])
        done = subprocess.run(argv, capture_output=True, timeout=deadline, check=False)
        return Output(done.stdout.decode(), done.stderr.decode(), done.returncode)

    def write_file(self, path: str, content: bytes, mode: int) -> None: ...


class Broken(Bash):
    """A shell whose connection fails."""

    def __init__(self, error: ClusterError) -> None:
        super().__init__()
        self._error = error

    def run(self, argv: Sequence[str], *, deadline: float, **_: object) -> Output:
        raise self._error


def found(text: str, timeout: int = 5) -> float | str:
    """The number of a script, or the reason for the gap."""
    collected = measure(Bash(), PLACE, [Script("custom", text, timeout)], NOON)
    assert len(collected.samples) + len(collected.gaps) == 1
    return collected.samples[0].value if collected.samples else collected.gaps[0].reason


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("echo 5", 5.0),
        ("printf ' 7 \\n\\n'", 7.0),
        ("echo -1.5e3", -1500.0),
        ("echo .5", 0.5),
        ("echo a warning >&2; echo 4", 4.0),
        ("printf 'a\\nb\\n' | grep -v b | wc -l", 1.0),
        ("cat; echo 1", 1.0),
        ("a=1\nb=2\n# a comment\necho $((a + b))", 3.0),
        ("yes >&2 | true; echo 9", 9.0),
    ],
)
def test_one_number_is_a_sample(text: str, value: float) -> None:
    assert found(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo 3 4", "printed 2 words instead of one number"),
        ("echo 3; echo 4", "printed 2 words instead of one number"),
        ("true", "printed 0 words instead of one number"),
        ("echo many", "printed 'many', which is not a number"),
        ("echo nan", "printed 'nan', which is not a number"),
        ("echo 1e999", "printed '1e999', which is not a number"),
        ("echo 0x10", "printed '0x10', which is not a number"),
        ("echo 1_000", "printed '1_000', which is not a number"),
        ("echo 5; exit 3", "ended with exit code 3"),
        ("echo the disk is gone >&2; exit 4", "ended with exit code 4: the disk is gone"),
        ("no-such-tool", "ended with exit code 127: .*command not found"),
        ("yes", f"printed more than {MOST_OUTPUT} bytes"),
        ("head -c 9000000 /dev/zero", f"printed more than {MOST_OUTPUT} bytes"),
    ],
)
def test_other_output_voids_the_sample_with_a_reason(text: str, reason: str) -> None:
    result = found(text)
    assert isinstance(result, str)
    assert re.search(reason, result)


def test_a_script_that_hangs_is_ended_on_its_machine() -> None:
    assert found("sleep 60", timeout=1) == "the script did not end in time and was ended"


def test_the_scripts_after_a_bad_one_still_run() -> None:
    scripts = [Script("bad", "exit 1"), Script("good", "echo 2", unit="things")]
    collected = measure(Bash(), PLACE, scripts, NOON)
    assert collected.samples == (
        Sample(NOON, "demo", "k8s-node", "k8s-node-one", "good", 2.0, "things"),
    )
    assert collected.gaps == (
        Gap(NOON, "demo", "k8s-node", "k8s-node-one", "bad", "the script ended with exit code 1"),
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (WaitTimedOut("bash was cut off"), "did not end within 20 s"),
        (TemporaryError("the connection broke"), "the connection broke"),
    ],
)
def test_broken_connection_is_a_gap(error: ClusterError, reason: str) -> None:
    collected = measure(Broken(error), PLACE, [Script("custom", "echo 1")], NOON)
    (gap,) = collected.gaps
    assert reason in gap.reason


def test_scripts_that_take_too_long_do_not_run_into_the_next_minute() -> None:
    clock = JumpingClock()

    class Slow(Bash):
        def run(self, argv: Sequence[str], *, deadline: float, **_: object) -> Output:
            clock.sleep(LONGEST_VISIT / 2)
            return Output("1\n", "", 0)

    scripts = [Script(name, "echo 1") for name in ("one", "two", "three")]
    collected = measure(Slow(), PLACE, scripts, NOON, clock)
    assert [one.metric for one in collected.samples] == ["one", "two"]
    assert [(gap.metric, gap.reason) for gap in collected.gaps] == [
        ("three", "the scripts before it took more than 45 s")
    ]


def test_each_group_runs_its_own_monitors() -> None:
    monitors = [
        Monitor(name="nginxPods", script="echo 1", timeout=3, unit="pods"),
        Monitor(name="etcdSize", group="k8s-master", script="echo 2"),
    ]
    assert scripts_for("k8s-node", monitors) == (Script("nginxPods", "echo 1", 3, "pods"),)
    assert [one.metric for one in scripts_for("k8s-master", monitors)] == ["etcdSize"]


def test_memory_and_disk_of_this_machine_are_shares() -> None:
    collected = measure(Bash(), PLACE, WITHOUT_AGENT, NOON)
    values = {one.metric: (one.value, one.unit) for one in collected.samples}
    assert values.keys() == {"memory", "diskUsed"}
    for value, unit in values.values():
        assert 0 <= value <= 100
        assert unit == "%"


def test_exit_code_counts_more_than_output() -> None:
    assert read_number(Output("5\n", "", 1)) == "the script ended with exit code 1"

"""A user's script on a machine: what is refused before it runs, and how it ended."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from domain.kernel.errors import ClusterError, FinalError, InvalidSpec, WaitTimedOut
from domain.kernel.texts import count_machines, first_of
from domain.kernel.waiting import Clock
from domain.node.shell import Output, Shell

MOST_OUTPUT = 32 * 1024
"""Bytes of output that are kept of a script, the last ones: they say why it failed."""

GRACE = 15.0
"""Seconds for the connection, in addition to the script's own timeout."""

USUAL_AT_ONCE = 32
"""Machines on which a script runs at the same time."""

KILL_AFTER = 5
"""Seconds between the end of the time and the kill, for a script that ignores the first signal."""

_ENDED_BY_TIMEOUT = (124, 137)
"""Exit codes of `timeout` when it has ended a script, and when it had to kill it."""

# The script comes over standard input, so no list of processes shows it, and it may hold an
# interpreter line. Its folder is on the system disk, because /tmp and /run may forbid execution.
# `timeout` ends all processes that it has started; `tail` bounds what an endless script prints.
RUN = f"""\
set -o pipefail
umask 077
folder="${{SYSROOT:-}}/var/lib/k8s-qingcloud/scripts"
mkdir -p "$folder" && file="$(mktemp "$folder/XXXXXX")" || exit 125
trap 'rm -f "$file"' EXIT
cat > "$file" && chmod 700 "$file" || exit 125
command=("$file")
[[ "$(head -c 2 "$file")" == '#!' ]] || command=(bash "$file")
export PATH="$PATH:${{SYSROOT:-}}/usr/local/bin"
seconds=$1
shift
timeout --kill-after={KILL_AFTER} "$seconds" env "$@" "${{command[@]}}" < /dev/null 2>&1 \
  | tail -c {MOST_OUTPUT}
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A checked script, its time on each machine in seconds, and variables of its environment."""

    text: str
    timeout: int = 600
    variables: Mapping[str, str] = field(default_factory=dict)


class End(StrEnum):
    """How a script ended on a machine."""

    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    NOT_REACHED = "not reached"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """The end of a script on one machine.

    Attributes:
        machine: its id.
        exit_code: as the script gave it; None where it gave none.
        output: the last of both its streams.
        why: the reason where there is no exit code.
    """

    group: str
    machine: str
    node: str
    end: End
    exit_code: int | None = None
    seconds: float = 0.0
    output: str = ""
    why: str = ""

    @property
    def last_line(self) -> str:
        """What a person reads first: the reason, or the last line of the output."""
        lines = [line for line in self.output.splitlines() if line.strip()]
        return self.why or (lines[-1].strip() if lines else "")


@dataclass(frozen=True, slots=True)
class ScriptReport:
    """The ends of a script on the machines of a group, in the order of their ids."""

    group: str
    results: tuple[ScriptResult, ...]

    @property
    def failed(self) -> tuple[ScriptResult, ...]:
        return tuple(one for one in self.results if one.end is not End.DONE)

    @property
    def sentence(self) -> str:
        """Such as `the script failed on 2 of 5 machines of k8s-node: 1 failed (i-1), …`."""
        whole = count_machines(len(self.results))
        if not self.results:
            return f"group {self.group} has no machine"
        if not self.failed:
            return f"the script ended well on {whole} of {self.group}"
        ends = Counter(one.end for one in self.failed)
        words = (
            f"{count} {end} ({first_of([one.node for one in self.failed if one.end is end], 3)})"
            for end, count in ends.items()
        )
        failed = f"{len(self.failed)} of {whole}"
        return f"the script did not end well on {failed} of {self.group}: {', '.join(words)}"


class ScriptFailed(FinalError):
    """A script did not end well everywhere.

    Attributes:
        report: how it ended on each machine.
    """

    def __init__(self, message: str, report: ScriptReport) -> None:
        super().__init__(message)
        self.report = report


def check_bounds(timeout: int, at_once: int, delay: int, interval: int) -> None:
    """Check the numbers of a run of scripts. Raises `InvalidSpec`."""
    for name, value, least, most in (
        ("--timeout", timeout, 1, 86_400),
        ("--at-once", at_once, 1, 64),
        ("--delay", delay, 0, 3600),
        ("--interval", interval, 0, 3600),
    ):
        if not least <= value <= most:
            raise InvalidSpec(f"{name} {value} is not between {least} and {most}")


def run_script(
    shell: Shell, place: tuple[str, str, str], script: Script, clock: Clock = time
) -> ScriptResult:
    """Run a script on one machine to its end. An error of the connection is a result, too.

    Args:
        place: the machine's group, its id, and the name of its node.
    """
    variables = [f"{name}={value}" for name, value in script.variables.items()]
    argv = ["bash", "-c", RUN, "script", str(script.timeout), *variables]
    began = clock.monotonic()

    def result(end: End, done: Output | None = None, why: str = "") -> ScriptResult:
        seconds = round(clock.monotonic() - began, 2)
        if done is None:
            return ScriptResult(*place, end, None, seconds, "", why)
        code = None if end is End.TIMED_OUT else done.exit_code
        return ScriptResult(*place, end, code, seconds, done.stdout + done.stderr, why)

    too_long = f"it did not end within {script.timeout} s"
    try:
        deadline = script.timeout + KILL_AFTER + GRACE
        done = shell.run(argv, deadline=deadline, stdin=script.text.encode())
    except WaitTimedOut:
        return result(End.TIMED_OUT, why=f"{too_long}, or a process that it left behind prints")
    except ClusterError as error:
        return result(End.NOT_REACHED, why=str(error))
    if done.exit_code in _ENDED_BY_TIMEOUT and clock.monotonic() - began >= script.timeout:
        return result(End.TIMED_OUT, done, too_long)
    return result(End.FAILED if done.exit_code else End.DONE, done)


def order(results: Sequence[ScriptResult]) -> tuple[ScriptResult, ...]:
    return tuple(sorted(results, key=lambda one: one.machine))

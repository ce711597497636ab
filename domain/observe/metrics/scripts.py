"""Custom monitors: scripts that print one number on a machine, after FIT2CLOUD's contract."""

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.kernel.errors import ClusterError, WaitTimedOut
from domain.kernel.waiting import Clock
from domain.node.shell import Output, Shell
from domain.observe.metrics.records import Collected, Gap, Sample
from domain.spec.metrics import BUILT_IN
from domain.spec.monitoring import Monitor

MOST_OUTPUT = 4096
"""Bytes that a script may write to either stream; the rest is cut off and voids the sample."""

GRACE = 10.0
"""Seconds for the connection, in addition to the script's own timeout."""

LONGEST_VISIT = 45.0
"""Seconds after which no further script starts on a machine, because the next run is near."""

TIMED_OUT = 124
"""Exit code of `timeout` when it has ended a script; 137 when it had to kill it."""

# The script is the first argument. `timeout` ends all processes that it has started; `head` ends
# endless output, because the next write fails.
RUN = f"""\
set -o pipefail
export LC_ALL=C PATH="$PATH:${{SYSROOT:-}}/usr/local/bin"
timeout --kill-after=2 "$2" bash -c "$1" < /dev/null 2> >(head -c {MOST_OUTPUT} >&2) \
  | head -c {MOST_OUTPUT + 1}
"""

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")

MEMORY = r"""awk '/^MemTotal:/ { total = $2 } /^MemAvailable:/ { free = $2 }
  END { if (!total) exit 1; printf "%.1f\n", 100 * (total - free) / total }' \
  "${SYSROOT:-}/proc/meminfo"
"""
DISK = r"""df -P / | awk 'NR == 2 { sub("%", "", $5); print $5 }'"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script, and the metric that it measures."""

    metric: str
    text: str
    timeout: int = 20
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """The machine that a script runs on."""

    cluster: str
    group: str
    machine: str


WITHOUT_AGENT = (
    Script("memory", MEMORY, unit=BUILT_IN["memory"].unit),
    Script("diskUsed", DISK, unit=BUILT_IN["diskUsed"].unit),
)
"""Metrics that the cloud cannot measure on a machine without its guest agent."""


def scripts_for(group: str, monitors: Sequence[Monitor]) -> tuple[Script, ...]:
    """The custom monitors of a group as scripts."""
    return tuple(
        Script(one.name, one.script, one.timeout, one.unit)
        for one in monitors
        if one.group == group
    )


def measure(
    shell: Shell,
    place: Place,
    scripts: Sequence[Script],
    moment: datetime,
    clock: Clock = time,
) -> Collected:
    """Run scripts one after the other; each gives a sample or a gap, independent of the others."""
    ends = clock.monotonic() + LONGEST_VISIT
    collected = Collected()
    for script in scripts:
        if clock.monotonic() < ends:
            collected += _run(shell, place, script, moment)
        else:
            reason = f"the scripts before it took more than {LONGEST_VISIT:g} s"
            collected += Collected(gaps=(no_sample(place, script, moment, reason),))
    return collected


def no_sample(place: Place, script: Script, moment: datetime, reason: str) -> Gap:
    """The gap of a script without a result."""
    return Gap(moment, place.cluster, place.group, place.machine, script.metric, reason)


def read_number(output: Output) -> float | str:
    """Parse the output of a finished script. Returns: the number, or the reason for the gap."""
    if output.exit_code in (TIMED_OUT, 137):
        return "the script did not end in time and was ended"
    if len(output.stdout.encode()) > MOST_OUTPUT:
        return f"the script printed more than {MOST_OUTPUT} bytes instead of one number"
    if output.exit_code:
        error = " ".join(output.stderr.split())[:200]
        reason = f"the script ended with exit code {output.exit_code}"
        return f"{reason}: {error}" if error else reason
    words = output.stdout.split()
    if len(words) != 1:
        return f"the script printed {len(words)} words instead of one number"
    if not NUMBER.fullmatch(words[0]) or not math.isfinite(float(words[0])):
        return f"the script printed {words[0][:40]!r}, which is not a number"
    return float(words[0])


def _run(shell: Shell, place: Place, script: Script, moment: datetime) -> Collected:
    argv = ["bash", "-c", RUN, "monitor", script.text, str(script.timeout)]
    try:
        found = read_number(shell.run(argv, deadline=script.timeout + GRACE))
    except WaitTimedOut:
        found = f"the script did not end within {script.timeout} s"
    except ClusterError as error:
        found = str(error)
    if isinstance(found, str):
        return Collected(gaps=(no_sample(place, script, moment, found),))
    where = (place.cluster, place.group, place.machine)
    return Collected((Sample(moment, *where, script.metric, found, script.unit),))

"""How many calls of the cloud each command makes: `python -m benchmarks.cloud_calls`.

QingCloud documents 2,000 calls an hour for an account, for all its clusters together. The commands
are typed on a local cloud of their own, profile `instant`, without demo and UI; the idle hour is
sixty minutes of evaluations and collections, one of each a minute, with the clock of the samples
moved on. Each line is a ratio to the number of calls that the first release needed.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

COMMANDS = (
    ("provision, two nodes", "provision --nodes 2 --no-demo --no-ui", 162, 100),
    ("provision again", "provision --no-demo --no-ui", 92, 30),
    ("eight more nodes", "scale --count 10", 128, 60),
    ("an evaluation", "autoscale", 19, 2),
    ("monitor", "monitor", 9, 2),
    ("status", "status", 15, 15),
)
"""What is measured, what is typed, the calls of the first release, and the most that are wanted."""

IDLE_HOUR = (1680, 240)
TEARDOWN = ("teardown, eleven machines", "teardown --yes", 80, 45)


def main() -> None:
    """Type the commands one after the other and print what they asked for."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "LOCALCLOUD_HOME": f"{home}/cloud"}
        for name in ("PREFECT_API_URL", "XDG_DATA_HOME", "SAMPLES_URL"):
            environment.pop(name, None)
        run(environment, "localcloud", "up", "--profile", "instant")
        try:
            for title, words, before, most in COMMANDS:
                show(title, typed(environment, words), before, most)
            seen = counted(environment)
            run(environment, "benchmarks.cloud_calls", "--idle-hour")
            show("an idle hour", counted(environment) - seen, *IDLE_HOUR)
            title, words, before, most = TEARDOWN
            show(title, typed(environment, words), before, most)
        finally:
            run(environment, "localcloud", "down")


def show(title: str, calls: int, before: int, most: int) -> None:
    """Print one line: the calls, their ratio to the first release, and what is wanted."""
    print(f"{title:28}{before:6} -> {calls:4}  {before / calls:5.1f}x fewer, wanted <= {most}")


def typed(environment: Mapping[str, str], words: str) -> int:
    """Type a command. Returns: how many calls it made."""
    before = counted(environment)
    run(environment, f"flows.{words.split()[0]}", *words.split()[1:])
    return counted(environment) - before


def counted(environment: Mapping[str, str]) -> int:
    """All calls that the local cloud has answered."""
    status = json.loads(run(environment, "localcloud", "status", "--json"))
    return sum(status["calls"].values())


def run(environment: Mapping[str, str], module: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        env=environment,
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{module} {' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def idle_hour() -> None:
    """Evaluate and collect sixty times, as the schedules of a deployment do in an hour."""
    from blocks.accounts import choose_account
    from flows.runbooks.measure import measure
    from tasks.autoscaling import consider
    from tasks.cases import open_case
    from tasks.cluster import open_cluster
    from tasks.executors import PlainSteps

    account, steps = choose_account("local").account, PlainSteps()
    begin = datetime.now(UTC)
    for minute in range(1, 61):
        with open_cluster(account, "demo") as cluster:
            consider(open_case(cluster))
        with open_cluster(account, "demo") as cluster:
            measure(steps, cluster, begin + timedelta(minutes=minute))


if __name__ == "__main__":
    idle_hour() if "--idle-hour" in sys.argv else main()

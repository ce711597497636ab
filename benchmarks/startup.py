"""How long a command takes until it has done nothing: `python -m benchmarks.startup`.

Each line is the fastest of some runs: help of every command, the list, and `provision --plan` of a
new cluster against the local cloud and a running Prefect server, in seconds and as a multiple of
`import prefect` in the same minute. The multiples can be compared between machines, the seconds
cannot.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence

from deployments.console import COMMANDS

PYTHON = sys.executable
CONSOLE = (PYTHON, "-c", "from deployments.console import main; main()")
YARDSTICK = (PYTHON, "-c", "import prefect")


def seconds(words: Sequence[str], times: int) -> float:
    """The fastest run of a command line."""
    return min(_run(words) for _ in range(times))


def _run(words: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="runs of each line")
    parser.add_argument("--lang", default="en", help="language of the commands: en or zh")
    given = parser.parse_args()
    language = ("--lang", given.lang)
    unit = seconds(YARDSTICK, given.times)
    print(f"import prefect: {unit:.2f} s")

    def show(title: str, *lines: Sequence[str]) -> None:
        taken = max(seconds(line, given.times) for line in lines)
        print(f"{title}: {taken:.2f} s, {taken / unit:.2f} times import prefect")

    show("qingcloud-k8s --help", (*CONSOLE, "--help", *language))
    helped = [(*CONSOLE, name, "--help", *language) for name in COMMANDS]
    show("slowest --help of a command", *helped)
    subprocess.run([*CONSOLE, "server", "up"], check=True, capture_output=True)
    subprocess.run([*CONSOLE, "local", "up"], check=True, capture_output=True)
    plan = ("provision", "--plan", "--name", "no-such", *language)
    show("qingcloud-k8s provision --plan", (*CONSOLE, *plan))


if __name__ == "__main__":
    main()

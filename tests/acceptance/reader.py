"""Somebody who types what a page says, and compares what is printed with what the page shows."""

import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.workplace import ROOT, clean_environment, free_port

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LASTING = ("make worker", "python -m flows.autoscale --watch")
"""Commands that run until Ctrl-C."""

MASKS = (
    (re.compile(r"(k8s-(?:master|node))-[a-z0-9]{8}"), r"\1-NAME"),
    (re.compile(r"\b\d+\.\d+\.\d+\.\d+\b"), "ADDRESS"),
    (re.compile(r"\b(\d+m)?\d+s\b"), "AGE"),
    (re.compile(r"(\d+ of \d+|Machine +Pods) .*"), r"\1"),  # then follow measurements
    (re.compile(r"^\d\d:\d\d:\d\d [+=-] "), ""),
    (re.compile(r"\s+"), " "),
)
"""What differs from one machine to another."""


def blocks(page: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page: their kind and text."""
    return FENCE.findall((ROOT / page).read_text(encoding="utf-8"))


def typed(text: str) -> list[str]:
    """The lines that a block tells to type, without the remarks behind them."""
    return [without_remark(line) for line in re.findall(r"^\$ (.*)$", text, re.MULTILINE)]


def without_remark(line: str) -> str:
    return re.sub(r"\s+#\s.*$", "", line)


def lines_of(text: str) -> Counter[str]:
    """The lines of an output, with what differs masked."""
    return Counter(filter(None, map(_masked, text.splitlines())))


def _masked(line: str) -> str:
    for pattern, words in MASKS:
        line = pattern.sub(words, line)
    return line.strip()


@dataclass
class Reader:
    """A user with a home of their own, in the project's folder."""

    home: Path
    environment: dict[str, str]
    lasting: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def type(self, line: str, code: int = 0) -> str:
        """Type a line. Returns: what it prints; nothing of a command that lasts."""
        if exported := re.match(r"export (\w+)=(\S*)$", line):
            self.environment[exported[1]] = exported[2].replace("$PWD", str(self.home))
        elif line.startswith(LASTING):
            self.lasting.append(self._start(line))
        elif not line.startswith(". "):
            process = self._start(line)
            printed, _ = process.communicate(timeout=300)
            assert process.returncode == code, f"{line}: {printed.decode()}"
            return printed.decode()
        return ""

    def _start(self, line: str) -> subprocess.Popen[bytes]:
        line = re.sub(r"--(out|chart|kubeconfig) (\S+)", rf"--\1 {self.home}/\2", line)
        return subprocess.Popen(
            ["bash", "-c", line],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def interrupt(self) -> None:
        """Press Ctrl-C in each command that lasts, and wait for its end."""
        while self.lasting:
            process = self.lasting.pop()
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=60)


@contextmanager
def reader_in(home: Path) -> Iterator[Reader]:
    environment = clean_environment(home) | {
        "PREFECT_SERVER_API_PORT": str(free_port()),
        "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
    }
    reader = Reader(home, environment)
    try:
        yield reader
    finally:
        reader.interrupt()
        subprocess.run(["make", "down"], cwd=ROOT, env=reader.environment, check=False, timeout=120)

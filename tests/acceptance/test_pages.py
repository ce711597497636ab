"""The page that follows the article is typed line by line, and prints what it shows."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.acceptance.workplace import ROOT, clean_environment, free_port

PAGE, CHINESE = ("docs/follow-the-article.md", "docs/follow-the-article.zh-CN.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LASTING = ("make worker",)
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
    return FENCE.findall((ROOT / page).read_text(encoding="utf-8"))


def masked(line: str) -> str:
    for pattern, words in MASKS:
        line = pattern.sub(words, line)
    return line.strip()


@dataclass
class Reader:
    """Somebody who types what the page says, in a shell of the project's folder."""

    home: Path
    environment: dict[str, str]
    printed: str = ""
    lasting: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def type(self, line: str) -> None:
        """Type a line; what it prints is added to what was printed."""
        command = re.sub(r"\s+#\s.*$", "", line).replace("$PWD", str(self.home))
        if exported := re.match(r"export (\w+)=(.*)$", command):
            self.environment[exported[1]] = exported[2]
        elif command.startswith(LASTING):
            self.lasting.append(self._start(command))
        elif not command.startswith(". "):
            self.printed += self._run(command)

    def _run(self, command: str) -> str:
        process = self._start(command)
        printed, _ = process.communicate(timeout=170)
        text = printed.decode()
        assert process.returncode == 0, f"{command}: {text}"
        return text

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        place = f"--file {self.home}/article.yaml"
        command = command.replace("--file article.yaml", place)
        command = re.sub(r"--out (\S+)", rf"--out {self.home}/\1", command)
        return subprocess.Popen(
            ["bash", "-c", command],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def has_seen(self, shown: str) -> bool:
        seen = Counter(map(masked, self.printed.splitlines()))
        return Counter(map(masked, shown.strip().splitlines())) <= seen

    def leave(self) -> None:
        for process in self.lasting:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=60)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    environment = clean_environment(tmp_path) | {
        "PREFECT_SERVER_API_PORT": str(free_port()),
        "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}",
    }
    reader = Reader(tmp_path, environment)
    try:
        yield reader
    finally:
        reader.leave()
        subprocess.run(["make", "down"], cwd=ROOT, env=reader.environment, check=False, timeout=120)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")
@pytest.mark.skipif(not (ROOT / ".venv").is_dir(), reason="the page is typed in a clone")
@pytest.mark.timeout(600)
def test_the_article_is_followed(reader: Reader) -> None:
    lines: list[str] = []
    for kind, text in blocks(PAGE):
        if kind == "yaml":
            (reader.home / "article.yaml").write_text(text, encoding="utf-8")
        elif kind == "console":
            reader.printed = ""
            lines = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
            for line in lines:
                reader.type(line)
        elif kind == "text":
            deadline = time.monotonic() + 150
            while not reader.has_seen(text):  # an evaluation waits for a minute of samples
                assert time.monotonic() < deadline, f"shown:\n{text}\nprinted:\n{reader.printed}"
                time.sleep(5)
                for line in lines:
                    if line.startswith(("python -m ", "kubectl get ")):
                        reader.type(line)


@pytest.mark.pure
@pytest.mark.parametrize("number", range(len(blocks(PAGE))))
def test_both_languages_show_the_same(number: int) -> None:
    (kind, text), (other_kind, other) = blocks(PAGE)[number], blocks(CHINESE)[number]
    assert kind == other_kind
    assert list(map(code, text.splitlines())) == list(map(code, other.splitlines()))


@pytest.mark.pure
def test_both_languages_have_as_many_blocks() -> None:
    assert len(blocks(PAGE)) == len(blocks(CHINESE))


def code(line: str) -> str:
    """A line without the remark behind it."""
    return re.sub(r"\s+#\s.*$", "", line)

"""A tour that stops says so, and goes on where it was, as long as its cluster is there."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.tour import Tour
from deployments.tour.steps import Command, Step
from domain.kernel.errors import BadRequest

MAKE = """python -c '
import os
from clients.qingcloud import QingCloud
names = ("ZONE", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "ENDPOINT")
QingCloud(*(os.environ[f"QINGCLOUD_{name}"] for name in names)).create_security_group("ours")
'"""
"""Something on the local cloud, as the cluster of the real tour."""

ROOT = Path(__file__).resolve().parents[2]
EMPTY = {"en": "", "zh": ""}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    yield tmp_path
    subprocess.run([sys.executable, "-m", "localcloud", "down"], check=True, capture_output=True)


def play(home: Path, *lines: str, answers: str | None = None) -> str:
    """Play steps of one line each, with these answers at the pauses. Returns: how it ended."""
    steps = [Step(EMPTY, EMPTY, (Command(line),)) for line in lines]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO(answers))
        try:
            Tour(home / "tour", "en", pauses=answers is not None, steps=steps).play()
        except SystemExit as end:
            return f"exit code {end.code}"
    return "over"


def test_a_tour_goes_on_where_it_stopped(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (MAKE, "echo two >> seen", "exit 7", "echo four >> seen")
    assert play(home, *lines, answers="\nq\n") == "exit code 0"
    told = capsys.readouterr().err
    assert "The tour stopped at step 2." in told
    assert "qingcloud-k8s teardown --account local --yes" in told

    assert play(home, *lines, answers="\n\n") == "exit code 1"  # the third step fails
    told = capsys.readouterr().err
    assert "It continues at step 2" in told
    assert "ended with exit code 7" in told

    mended = (*lines[:2], "true", lines[3])
    assert play(home, *mended) == "over"
    assert (home / "tour/seen").read_text() == "two\nfour\n"

    with pytest.raises(BadRequest, match="begins with an empty one"):
        play(home, *mended)  # what is there now is no tour's


def test_a_tour_whose_cluster_is_gone_begins_again(home: Path) -> None:
    lines = ("echo one >> seen", "echo two >> seen", "true")
    assert play(home, *lines, answers="\nq\n") == "exit code 0"
    assert play(home, *lines) == "over"
    assert (home / "tour/seen").read_text() == "one\none\ntwo\n"

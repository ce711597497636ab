"""Folders for what must not outlive a run."""

import os
import time
from pathlib import Path

import pytest

from blocks.folders import LEFT_BEHIND, private_folder


def test_a_private_folder_ends_with_its_run_and_what_a_killed_one_left_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with private_folder("backup") as first:
        (first / "secret").write_text("secret")
        assert first.stat().st_mode & 0o777 == 0o700
        left = first.parent / "restore-killed"
        left.mkdir()
        (left / "secret").write_text("secret")
    assert not first.exists()
    with private_folder("backup"):
        assert left.exists()  # it may still run
    old = time.time() - LEFT_BEHIND - 60
    os.utime(left, (old, old))
    with private_folder("backup"):
        assert not left.exists()

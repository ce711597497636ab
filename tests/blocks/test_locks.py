"""Locks of this machine: waiting, refusal, and a folder that cannot be written."""

from pathlib import Path
from threading import Event, Thread

import pytest

from blocks.locks import alone, alone_if_free
from domain.kernel.errors import BadRequest


def test_second_process_waits_for_the_lock(tmp_path: Path) -> None:
    file, order, inside = tmp_path / "new folder" / "lock", list[str](), Event()

    def second() -> None:
        inside.wait(10)
        with alone(file):
            order.append("second")

    thread = Thread(target=second)
    thread.start()
    with alone(file):
        inside.set()
        thread.join(0.05)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_lock_without_waiting_is_refused_until_it_is_free(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with alone_if_free(file) as first, alone_if_free(file) as second:
        assert (first, second) == (True, False)
    with alone_if_free(file) as third:
        assert third


def test_folder_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(BadRequest, match="XDG_DATA_HOME"), alone(tmp_path / "taken" / "lock"):
        raise AssertionError("no lock was taken")

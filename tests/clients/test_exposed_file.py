"""The file for Prometheus: whether it can be written, and what stays where it cannot."""

from pathlib import Path

import pytest

from clients.exposed_file import check_writable, write_at_once
from domain.kernel.errors import FinalError, InvalidSpec


def test_check_of_a_writable_file_does_not_create_or_change_it(
    tmp_path: Path,
) -> None:
    there = tmp_path / "there.prom"
    there.write_text("up 1\n")
    check_writable(there)
    check_writable(tmp_path / "new.prom")
    assert list(tmp_path.iterdir()) == [there]
    assert there.read_text() == "up 1\n"


@pytest.mark.parametrize("name", ["folder", "none/metrics.prom", "file/metrics.prom", "a" * 300])
def test_file_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InvalidSpec, match="cannot be written: "):
        check_writable(tmp_path / name)


def test_file_has_the_last_text_and_no_other_file_is_left(tmp_path: Path) -> None:
    file = tmp_path / "metrics.prom"
    write_at_once(file, "up 1\n")
    write_at_once(file, "up 0\n")
    assert file.read_text() == "up 0\n"
    assert list(tmp_path.iterdir()) == [file]


def test_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FinalError, match="folder cannot be written"):
        write_at_once(tmp_path / "folder", "up 1\n")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]

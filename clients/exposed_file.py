"""The file that Prometheus reads: replaced atomically, because it may be read at any time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from domain.kernel.errors import FinalError, InvalidSpec


def check_writable(file: Path) -> None:
    """Check that a file can be written, without changing it.

    Raises:
        InvalidSpec: it cannot be written.
    """
    try:
        if file.is_dir():
            raise InvalidSpec(f"{file} cannot be written: it is a folder")
        with _beside(file) as fresh:
            fresh.touch()
    except OSError as error:
        raise InvalidSpec(f"{file} cannot be written: {error.strerror}") from error


def write_at_once(file: Path, text: str) -> None:
    """Replace the content of a file, or leave it unchanged.

    Raises:
        FinalError: it cannot be written, such as on a full disk.
    """
    try:
        with _beside(file) as fresh:
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(file)
    except OSError as error:
        raise FinalError(f"{file} cannot be written: {error.strerror}") from error


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A hidden temporary file of this process in the same folder."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        yield fresh
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)

"""Locks between processes of this machine. A lock ends with the process that holds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from domain.kernel.errors import BadRequest


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Acquire the lock of a file, waiting for other processes and threads.

    Raises:
        BadRequest: the file cannot be created, such as on a full disk.
    """
    with _opened(file) as descriptor:
        flock(descriptor, LOCK_EX)
        yield


@contextmanager
def alone_if_free(file: Path) -> Iterator[bool]:
    """Try to acquire the lock of a file, without waiting.

    Yields: whether it was acquired.

    Raises:
        BadRequest: the file cannot be created.
    """
    with _opened(file) as descriptor:
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def _opened(file: Path) -> Iterator[int]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = file.open("a", encoding="utf-8")
    except OSError as error:
        raise BadRequest(
            f"{file} cannot be written ({error.strerror}); make room, or name another folder "
            "with XDG_DATA_HOME"
        ) from error
    with stream:
        yield stream.fileno()

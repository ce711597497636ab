"""One at a time on this machine: locks that end with the process that holds them."""

from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from domain.kernel.errors import BadRequest


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Wait for everybody else, threads included, who is inside with the same file.

    Raises:
        BadRequest: the file cannot be made, as on a full disk.
    """
    with _opened(file) as descriptor:
        flock(descriptor, LOCK_EX)
        yield


@contextmanager
def alone_if_free(file: Path) -> Iterator[bool]:
    """Go inside alone where nobody else is; yields whether that is so, and never waits.

    Raises:
        BadRequest: the file cannot be made.
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
        stream = file.open("a")
    except OSError as error:
        raise BadRequest(
            f"{file} cannot be written ({error.strerror}); make room, or name another folder "
            "with XDG_DATA_HOME"
        ) from error
    with stream:
        yield stream.fileno()

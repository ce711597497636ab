"""A folder on this machine, or on a disk that is mounted here, as a store of backups."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from domain.backup.labels import NoBackup
from domain.backup.store import StoreFull, StoreRefused
from domain.kernel.errors import TemporaryError

_PART = ".part"


class FolderStore:
    """Satisfies `domain.backup.store.Store`."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which is created for its owner alone where it is missing."""
        self._folder = folder

    @property
    def where(self) -> str:
        return f"the folder {self._folder}"

    def check(self) -> None:
        with self._explained():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.write(f"check{_PART}", b"check")
        self.delete(f"check{_PART}")

    def names(self) -> Sequence[str]:
        with self._explained():
            if not self._folder.exists():
                return []
            names = [one.name for one in self._folder.iterdir() if one.is_file()]
        return sorted(name for name in names if not name.endswith(_PART))

    def read(self, name: str) -> bytes:
        with self._explained(name):
            return (self._folder / name).read_bytes()

    def fetch(self, name: str, target: Path) -> None:
        with self._explained(name):
            shutil.copyfile(self._folder / name, target)

    def size(self, name: str) -> int:
        with self._explained(name):
            return (self._folder / name).stat().st_size

    def put(self, name: str, source: Path) -> None:
        with self._explained(), source.open("rb") as content, self._whole(name) as file:
            shutil.copyfileobj(content, file, 1024 * 1024)

    def write(self, name: str, content: bytes) -> None:
        with self._explained(), self._whole(name) as file:
            file.write(content)

    def delete(self, name: str) -> None:
        with self._explained():
            (self._folder / name).unlink(missing_ok=True)

    @contextmanager
    def _whole(self, name: str) -> Iterator["tempfile._TemporaryFileWrapper[bytes]"]:
        """A file that takes the name once it is on the disk; it is gone after an error."""
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=_PART, delete=False) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, self._folder / name)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    @contextmanager
    def _explained(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if name:
                raise NoBackup(f"{self.where} has no {name}") from error
            raise StoreRefused(f"{self.where} does not exist") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise StoreFull(f"{self.where} is full; delete something there") from error
            if isinstance(error, PermissionError | NotADirectoryError | FileExistsError):
                raise StoreRefused(f"{self.where} cannot be used: {error.strerror}") from error
            raise TemporaryError(f"{self.where} does not answer: {error.strerror}") from error

"""The place of backups, off the cluster."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from domain.backup.labels import LABEL, Label, NoBackup, parse_label
from domain.kernel.errors import BadRequest, FinalError


class StoreFull(FinalError):
    """The store has no room left; nothing of the backup is in it."""


class StoreRefused(BadRequest):
    """The store refuses the key, or there is no such bucket or folder."""


class Store(Protocol):
    """A folder or a bucket.

    Every call raises `TemporaryError` where the store does not answer, `StoreRefused` and
    `StoreFull`; the message names the store, and never a key.
    """

    @property
    def where(self) -> str: ...

    def check(self) -> None:
        """Write, read and delete a small file, before anything else is begun."""
        ...

    def names(self) -> Sequence[str]:
        """The names of all files, in their order."""
        ...

    def read(self, name: str) -> bytes:
        """Read a small file. Raises `NoBackup` where there is none."""
        ...

    def fetch(self, name: str, target: Path) -> None:
        """Read a file into another. Raises `NoBackup` where there is none."""
        ...

    def size(self, name: str) -> int:
        """The bytes of a file. Raises `NoBackup` where there is none."""
        ...

    def put(self, name: str, source: Path) -> None:
        """Write a file, whole or not at all."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a small file, whole or not at all."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file; one that does not exist is accepted."""
        ...


def read_labels(store: Store, prefix: str = "") -> list[Label]:
    """Read the labels of a store, oldest first; damaged ones are left out.

    Args:
        prefix: only backups whose names begin like this, such as a cluster's key and a dash.
    """
    found = []
    for name in store.names():
        if name.startswith(prefix) and name.endswith(LABEL):
            try:
                found.append(parse_label(store.read(name), name.removesuffix(LABEL)))
            except NoBackup:
                continue
    return sorted(found, key=lambda one: one.made_at)


def find_label(store: Store, wanted: str, prefix: str) -> Label:
    """Find a backup by its name, or the newest one of a cluster.

    Args:
        wanted: its name, or `latest`.
        prefix: of the cluster's backups, for `latest`.

    Raises:
        NoBackup: there is none.
    """
    if wanted != "latest":
        return parse_label(store.read(wanted.removesuffix(LABEL) + LABEL), wanted)
    found = read_labels(store, prefix)
    if not found:
        raise NoBackup(f"{store.where} holds no backup whose name begins with {prefix}")
    return found[-1]

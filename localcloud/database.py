"""State that outlives the process: records by room and key, in one SQLite file.

Plain sqlite3 and not SQLAlchemy: nothing here is queried. Everything is read once, at the start,
and afterwards only written, by three statements.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

SCHEMA = 1
"""The version of the layout, increased by a change that older versions would misread."""

WINDOW = 0.1
"""Seconds for which changes that nobody was answered are collected; a kill may lose them."""

_LAYOUT = """
CREATE TABLE IF NOT EXISTS records (
    room TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (room, key)
)
"""
_PUT = """
INSERT INTO records VALUES (?, ?, ?) ON CONFLICT (room, key) DO UPDATE SET body = excluded.body
"""
_SIDE_FILES = ("", "-wal", "-shm")

Change = tuple[str, str, bytes | None]
"""Room, key and the new body; without a body, the record is deleted."""


class Unreadable(Exception):
    """A file cannot be read by this version; the text has the remedy."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path}: {why}. Only an empty cloud can start here; to empty this one: "
            "python -m localcloud reset"
        )


class Database:
    """One open file, which only its owner may read. A transaction survives a killed process.

    Raises:
        Unreadable: the file is damaged, or another version of the local cloud wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        # Sometimes written from another thread, but never from two at once.
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise Unreadable(path, str(error)) from error
        except Unreadable:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        (found,) = self._connection.execute("PRAGMA user_version").fetchone()
        if found not in (0, SCHEMA):
            raise Unreadable(self.path, f"its layout is {found}, this version reads {SCHEMA}")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(_LAYOUT)
        self._connection.execute(f"PRAGMA user_version = {SCHEMA}")

    def read(self, room: str) -> Iterator[tuple[str, bytes]]:
        """Read a room, in the order in which its keys were first written."""
        query = "SELECT key, body FROM records WHERE room = ? ORDER BY rowid"
        yield from self._connection.execute(query, (room,))

    def write(self, changes: Iterable[Change]) -> None:
        """Write all changes or none."""
        kept, gone = [], []
        for room, key, body in changes:
            if body is None:
                gone.append((room, key))
            else:
                kept.append((room, key, body))
        self._connection.execute("BEGIN")
        try:
            self._connection.executemany(_PUT, kept)
            self._connection.executemany("DELETE FROM records WHERE room = ? AND key = ?", gone)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


def erase(path: Path) -> None:
    """Remove a closed database; a missing one is accepted."""
    for ending in _SIDE_FILES:
        with suppress(FileNotFoundError):
            os.unlink(f"{path}{ending}")

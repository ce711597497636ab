"""The stored state of a control plane: objects, version, signing key."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

from localcloud.database import WINDOW, Change, Database, erase
from localcloud.kubernetes.access.tokens import make_signing_key
from localcloud.kubernetes.objects import store as objects
from localcloud.kubernetes.objects.defaults import complete
from localcloud.kubernetes.objects.kinds import KINDS, Kind
from localcloud.kubernetes.objects.store import Body, ChangeType, Listener, Store, Stored

PLANE = "plane"
VERSION, SIGNING_KEY, MEMBERS = "version", "signing-key", "members"
OWN_MEMBER = "own-member"

VERSIONS_LOST = 10_000
"""More versions than a store writes in the time that a kill may lose.

Clients may have seen the lost versions, so none of them is used again.
"""

log = logging.getLogger(__name__)


class Persistence:
    """Loads a store from a file, and writes later changes to the files of all running members.

    Changes of clients outside are on the disk before they are answered, as with etcd; those of
    controllers and kubelets follow after a short delay.

    Args:
        path: the file of the first member, which need not exist; None keeps nothing.

    Raises:
        Unreadable: the file is damaged, or another version of the local cloud wrote it.
    """

    def __init__(self, path: Path | None, store: Store) -> None:
        self._store = store
        self._databases: dict[Path, Database] = {}
        self._listeners: dict[Kind, Listener] = {k: partial(self._on_change, k) for k in KINDS}
        self._fresh: dict[tuple[str, str], Stored | None] = {}
        self._writing: asyncio.Task[None] | None = None
        self._held = 0  # the version in the files of what is in memory
        self.signing_key = make_signing_key()
        self.members = b""
        if path is not None:
            with closing(Database(path)) as database:
                self._recall(database)

    def _recall(self, database: Database) -> None:
        facts = dict(database.read(PLANE))
        if SIGNING_KEY in facts:
            self.signing_key = facts[SIGNING_KEY]
        else:
            database.write([(PLANE, SIGNING_KEY, self.signing_key)])
        self._load(database, facts)

    def _load(self, database: Database, facts: Mapping[str, bytes]) -> None:
        self.members = facts.get(MEMBERS, self.members)
        if VERSION in facts:
            self._held = int(facts[VERSION])
            self._store.load(_read_objects(database), self._held + VERSIONS_LOST)

    def look(self, files: Iterable[Path]) -> None:
        """Load what the newest of some files holds, unless it is in memory already.

        Raises as the constructor does.
        """
        versions = {file: _version_of(file) for file in files}
        newest = max(versions, key=lambda file: versions[file], default=None)
        if newest is not None and versions[newest] != self._held:
            with closing(Database(newest)) as database:
                self._load(database, dict(database.read(PLANE)))

    @property
    def is_open(self) -> bool:
        return bool(self._databases)

    def open(self, files: Iterable[Path]) -> None:
        """Write changes from now on; a file that is behind gets everything."""
        for file in files:
            self.add(file)
        if self._databases:
            self.keep_members(self.members)
            for kind, listener in self._listeners.items():
                self._store.listen(kind, listener)

    def add(self, file: Path) -> None:
        """Write also to this file, which gets everything where it is behind."""
        if file in self._databases:
            return
        is_behind = bool(self._databases) or _version_of(file) != self._held
        if is_behind:
            erase(file)
        database = self._databases[file] = Database(file)
        if is_behind:
            database.write(self._everything())

    def _everything(self) -> Iterator[Change]:
        yield PLANE, SIGNING_KEY, self.signing_key
        yield PLANE, MEMBERS, self.members
        yield PLANE, VERSION, str(self._store.version).encode()
        for kind in KINDS:
            for stored in self._store.select(kind):
                yield kind.path(), _key_of(stored.body), stored.encoded

    def drop(self, file: Path) -> None:
        """Write pending changes, and leave a file as it is then."""
        if file in self._databases:
            self.write_now()
            self._databases.pop(file).close()

    def keep_members(self, members: bytes) -> None:
        """Write the list of members into all files."""
        self.members = members
        for database in self._databases.values():
            database.write([(PLANE, MEMBERS, members)])

    async def close(self) -> None:
        """Write pending changes, and close the files."""
        if not self._databases:
            return
        for kind, listener in self._listeners.items():
            self._store.unlisten(kind, listener)
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
            self._writing = None
        self._write()
        for database in self._databases.values():
            database.close()
        self._databases.clear()

    def _on_change(self, kind: Kind, change: objects.Change) -> None:
        key = _key_of(change.now.body)
        is_gone = change.type is ChangeType.DELETED
        self._fresh[kind.path(), key] = None if is_gone else change.now
        if self._writing is None and self._databases:
            work = self._write_soon()
            self._writing = asyncio.get_running_loop().create_task(work, name="keep objects")

    def write_now(self) -> None:
        """Write pending changes without the delay."""
        if self._databases:
            self._write()

    async def _write_soon(self) -> None:
        await asyncio.sleep(WINDOW)
        self._writing = None
        self._write()

    def _write(self) -> None:
        """Write pending changes; those that cannot be written stay pending."""
        if not self._fresh:
            return
        changes: list[Change] = [
            (*place, stored.encoded if stored else None) for place, stored in self._fresh.items()
        ]
        version = self._store.version
        written = [
            self._try_to_write(path, database, [*changes, (PLANE, VERSION, b"%d" % version)])
            for path, database in self._databases.items()
        ]
        if all(written):
            self._fresh.clear()
            self._held = version

    @staticmethod
    def _try_to_write(path: Path, database: Database, changes: list[Change]) -> bool:
        try:
            database.write(changes)
        except sqlite3.Error as error:
            log.error("%s: %d changes wait to be written: %s", path, len(changes) - 1, error)
            return False
        return True


def read_own_member(file: Path) -> int | None:
    """Return the id of the member in a file that was restored; None for any other file."""
    if not file.exists():
        return None
    with closing(Database(file)) as database:
        own = dict(database.read(PLANE)).get(OWN_MEMBER)
    return int(own) if own else None


def restore(source: sqlite3.Connection, target: Path, own: int, members: bytes, bump: int) -> None:
    """Write the objects of a snapshot into a new file, as those of a new etcd with these members.

    Args:
        own: the id of the member whose file it is.
        bump: is added to the version, so that watches from before list again.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    target.chmod(0o600)
    with closing(Database(target)) as database:
        version = int(dict(database.read(PLANE)).get(VERSION, b"0")) + bump
        database.write(
            [
                (PLANE, VERSION, b"%d" % version),
                (PLANE, MEMBERS, members),
                (PLANE, OWN_MEMBER, b"%d" % own),
            ]
        )


def _version_of(file: Path) -> int:
    """Return up to which version a file has the objects; 0 for a new one. Raises `Unreadable`."""
    with closing(Database(file)) as database:
        return int(dict(database.read(PLANE)).get(VERSION, b"0"))


def _key_of(body: Body) -> str:
    metadata = body["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def _read_objects(database: Database) -> Iterator[tuple[Kind, Body]]:
    for kind in KINDS:
        for _, text in database.read(kind.path()):
            body: Body = json.loads(text)
            complete(kind, body)  # an older version may have had other defaults
            yield kind, body

"""The stored state of a control plane: objects, version, signing key."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from localcloud.database import WINDOW, Change, Database
from localcloud.kubernetes.access.tokens import make_signing_key
from localcloud.kubernetes.objects import store as objects
from localcloud.kubernetes.objects.defaults import complete
from localcloud.kubernetes.objects.kinds import KINDS, Kind
from localcloud.kubernetes.objects.store import Body, ChangeType, Listener, Store, Stored

PLANE = "plane"
VERSION, SIGNING_KEY = "version", "signing-key"

VERSIONS_LOST = 10_000
"""More versions than a store writes in the time that a kill may lose.

Clients may have seen the lost versions, so none of them is used again.
"""

log = logging.getLogger(__name__)


class Persistence:
    """Loads a store from a file, and writes later changes to it.

    Changes of clients outside are on the disk before they are answered, as with etcd; those of
    controllers and kubelets follow after a short delay.

    Args:
        path: the file, which need not exist; None keeps nothing.

    Raises:
        Unreadable: the file is damaged, or another version of the local cloud wrote it.
    """

    def __init__(self, path: Path | None, store: Store) -> None:
        self._path = path
        self._store = store
        self._database: Database | None = None
        self._listeners: dict[Kind, Listener] = {k: partial(self._on_change, k) for k in KINDS}
        self._fresh: dict[tuple[str, str], Stored | None] = {}
        self._writing: asyncio.Task[None] | None = None
        self.signing_key = make_signing_key()
        if path is not None:
            database = Database(path)
            self._recall(database)
            database.close()

    def _recall(self, database: Database) -> None:
        facts = dict(database.read(PLANE))
        if SIGNING_KEY in facts:
            self.signing_key = facts[SIGNING_KEY]
        else:
            database.write([(PLANE, SIGNING_KEY, self.signing_key)])
        if VERSION in facts:
            self._store.load(_read_objects(database), int(facts[VERSION]) + VERSIONS_LOST)

    def open(self) -> None:
        """Write changes from now on."""
        if self._path is None:
            return
        self._database = Database(self._path)
        for kind, listener in self._listeners.items():
            self._store.listen(kind, listener)

    async def close(self) -> None:
        """Write pending changes, and close the file."""
        if self._database is None:
            return
        for kind, listener in self._listeners.items():
            self._store.unlisten(kind, listener)
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
            self._writing = None
        self._write(self._database)
        self._database.close()
        self._database = None

    def _on_change(self, kind: Kind, change: objects.Change) -> None:
        metadata = change.now.body["metadata"]
        key = f"{metadata.get('namespace', '')}/{metadata['name']}"
        is_gone = change.type is ChangeType.DELETED
        self._fresh[kind.path(), key] = None if is_gone else change.now
        if self._writing is None and self._database is not None:
            work = self._write_soon(self._database)
            self._writing = asyncio.get_running_loop().create_task(work, name="keep objects")

    def write_now(self) -> None:
        """Write pending changes without the delay."""
        if self._database is not None:
            self._write(self._database)

    async def _write_soon(self, database: Database) -> None:
        await asyncio.sleep(WINDOW)
        self._writing = None
        self._write(database)

    def _write(self, database: Database) -> None:
        """Write pending changes; those that cannot be written stay pending."""
        if not self._fresh:
            return
        changes: list[Change] = [
            (*place, stored.encoded if stored else None) for place, stored in self._fresh.items()
        ]
        try:
            database.write([*changes, (PLANE, VERSION, str(self._store.version).encode())])
        except sqlite3.Error as error:
            log.error("%s: %d changes wait to be written: %s", self._path, len(changes), error)
        else:
            self._fresh.clear()


def _read_objects(database: Database) -> Iterator[tuple[Kind, Body]]:
    for kind in KINDS:
        for _, text in database.read(kind.path()):
            body: Body = json.loads(text)
            complete(kind, body)  # an older version may have had other defaults
            yield kind, body

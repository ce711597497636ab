"""The objects, their versions, and their recent history for watches.

A stored body is never changed in place: a write stores a new one. So a body may be handed to
readers inside the API server as it is, and its JSON text is made once.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Any

from localcloud.kubernetes.objects.kinds import KINDS, POD, Kind

HISTORY = 4096  # changes of one kind

Body = dict[str, Any]


def encode(body: object) -> bytes:
    """Encode JSON without blanks."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(slots=True, eq=False)
class Stored:
    """One version of one object; `body` must not be changed."""

    body: Body
    version: int
    _encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        if self._encoded is None:
            self._encoded = encode(self.body)
        return self._encoded

    def copy(self) -> Body:
        """Return a copy of the body, which the caller may change."""
        copied: Body = json.loads(self.encoded)
        return copied


class ChangeType(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Change:
    """One write: the object before and after it (for a delete: the last state)."""

    type: ChangeType
    before: Stored | None
    now: Stored


Listener = Callable[[Change], None]


class TooOld(Exception):
    """The history does not reach back to the version asked for."""


@dataclass(slots=True)
class _Table:
    """All objects of one kind."""

    history: deque[Change]
    by_namespace: dict[str, dict[str, Stored]] = field(default_factory=dict)
    by_node: dict[str, dict[tuple[str, str], Stored]] = field(default_factory=dict)
    forgotten: int = 0  # the newest version that was dropped from the history
    listeners: set[Listener] = field(default_factory=set)
    count: int = 0

    def remember(self, change: Change) -> None:
        if len(self.history) == self.history.maxlen:
            self.forgotten = self.history[0].now.version
        self.history.append(change)
        for listener in tuple(self.listeners):
            listener(change)


def _node_of(stored: Stored) -> str:
    node: str = stored.body.get("spec", {}).get("nodeName") or ""
    return node


class Store:
    """Objects by kind, namespace and name, with one counter of versions for all of them.

    Args:
        history: how many changes of each kind are kept for watches that begin in the past.
    """

    def __init__(self, history: int = HISTORY) -> None:
        self.version = 0
        self._tables = {kind: _Table(deque(maxlen=history)) for kind in KINDS}

    def load(self, found: Iterable[tuple[Kind, Body]], version: int) -> None:
        """Replace everything by stored objects; watches from before `version` list again."""
        for table in self._tables.values():
            table.by_namespace.clear()
            table.by_node.clear()
            table.history.clear()
            table.count = 0
        for kind, body in found:
            self._place(kind, Stored(body, int(body["metadata"]["resourceVersion"])))
        self.version = version
        for table in self._tables.values():
            table.forgotten = version

    def find(self, kind: Kind, namespace: str, name: str) -> Stored | None:
        return self._tables[kind].by_namespace.get(namespace, {}).get(name)

    def count(self, kind: Kind) -> int:
        return self._tables[kind].count

    def select(self, kind: Kind, namespace: str = "", node: str | None = None) -> list[Stored]:
        """Return objects of a namespace (or of all), ordered by namespace and name.

        Args:
            node: for pods, only those bound to this node.
        """
        table = self._tables[kind]
        if node is not None:
            found = sorted(table.by_node.get(node, {}).items())
            return [stored for key, stored in found if not namespace or key[0] == namespace]
        names = [namespace] if namespace else sorted(table.by_namespace)
        spaces = (table.by_namespace.get(name, {}) for name in names)
        return list(chain.from_iterable(map(_in_order, spaces)))

    def put(self, kind: Kind, body: Body) -> Stored:
        """Store a new version of an object, and notify the listeners; the body is not copied."""
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        stored = Stored(body, self.version)
        before = self._place(kind, stored)
        change_type = ChangeType.MODIFIED if before else ChangeType.ADDED
        self._tables[kind].remember(Change(change_type, before, stored))
        return stored

    def remove(self, kind: Kind, stored: Stored) -> Stored:
        """Remove an object, and return its last state under the version of the removal."""
        self.version += 1
        metadata = {**stored.body["metadata"], "resourceVersion": str(self.version)}
        last = Stored({**stored.body, "metadata": metadata}, self.version)
        table = self._tables[kind]
        key = _key(stored)
        del table.by_namespace[key[0]][key[1]]
        table.count -= 1
        if not table.by_namespace[key[0]]:
            del table.by_namespace[key[0]]
        if kind is POD:
            self._unindex(table, key, stored)
        table.remember(Change(ChangeType.DELETED, stored, last))
        return last

    def listen(self, kind: Kind, listener: Listener) -> None:
        self._tables[kind].listeners.add(listener)

    def unlisten(self, kind: Kind, listener: Listener) -> None:
        self._tables[kind].listeners.discard(listener)

    def since(self, kind: Kind, version: int) -> list[Change]:
        """Return the changes of a kind after a version.

        Raises:
            TooOld: changes after that version have been dropped.
        """
        table = self._tables[kind]
        if version < table.forgotten:
            raise TooOld
        return list(_newest(table.history, version))

    def _place(self, kind: Kind, stored: Stored) -> Stored | None:
        table = self._tables[kind]
        key = _key(stored)
        space = table.by_namespace.setdefault(key[0], {})
        before = space.get(key[1])
        space[key[1]] = stored
        table.count += before is None
        if kind is POD:
            if before:
                self._unindex(table, key, before)
            table.by_node.setdefault(_node_of(stored), {})[key] = stored
        return before

    @staticmethod
    def _unindex(table: _Table, key: tuple[str, str], stored: Stored) -> None:
        node = _node_of(stored)
        table.by_node[node].pop(key, None)
        if not table.by_node[node]:
            del table.by_node[node]


def _in_order(space: dict[str, Stored]) -> list[Stored]:
    return [space[name] for name in sorted(space)]


def _key(stored: Stored) -> tuple[str, str]:
    metadata = stored.body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _newest(history: deque[Change], version: int) -> Iterator[Change]:
    """Return changes after a version, oldest first; searches from the end, where watches begin."""
    fresh = []
    for change in reversed(history):
        if change.now.version <= version:
            break
        fresh.append(change)
    return reversed(fresh)

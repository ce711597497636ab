"""Watches: the changes of one kind, narrowed by namespace and selectors, as they happen."""

import asyncio
from collections import deque
from dataclasses import dataclass

from localcloud.kubernetes.objects.kinds import POD, Kind
from localcloud.kubernetes.objects.selectors import (
    LabelTest,
    field_test,
    parse_field_selector,
    parse_label_selector,
)
from localcloud.kubernetes.objects.store import Change, ChangeType, Store, Stored

BACKLOG = 20_000
"""Events that a slow reader may be behind before its watch ends."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects objects of a kind by namespace (empty: all), labels and fields."""

    kind: Kind
    namespace: str = ""
    labels: str = ""
    fields: str = ""

    def node(self) -> str | None:
        """Return the node, where the fields select the pods of exactly one."""
        if self.kind is POD:
            for field, value, wanted in parse_field_selector(self.fields):
                if field == "spec.nodeName" and wanted:
                    return value
        return None

    def list(self, store: Store) -> list[Stored]:
        """Return the selected objects, ordered by namespace and name."""
        found = store.select(self.kind, self.namespace, self.node())
        if not self.labels and not self.fields:
            return found
        test = Matcher(self)
        return [stored for stored in found if test(stored)]


class Matcher:
    """Tests single objects against a selection."""

    def __init__(self, selection: Selection) -> None:
        self._namespace = selection.namespace
        self._labels: LabelTest = parse_label_selector(selection.labels)
        self._fields = field_test(parse_field_selector(selection.fields))
        self._any = not (selection.namespace or selection.labels or selection.fields)

    def __call__(self, stored: Stored) -> bool:
        if self._any:
            return True
        metadata = stored.body["metadata"]
        if self._namespace and metadata.get("namespace") != self._namespace:
            return False
        return self._labels(metadata.get("labels") or {}) and self._fields(stored.body)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch; entering or leaving the selection is adding or deleting."""

    type: ChangeType
    object: Stored


class Overflowed(Exception):
    """The reader fell too far behind; it has to list again."""


class Watch:
    """A reader of changes, from its creation until `close`.

    Args:
        backlog: events that the reader may be behind before its watch ends.
    """

    def __init__(self, store: Store, selection: Selection, backlog: int = BACKLOG) -> None:
        self._backlog = backlog
        self._store = store
        self._kind = selection.kind
        self._matches = Matcher(selection)
        self._events: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._overflowed = False
        self.closed = False
        store.listen(self._kind, self._on_change)

    def replay(self, version: int) -> None:
        """Start with the changes after a version.

        Raises:
            TooOld: some of them have been dropped.
        """
        for change in self._store.since(self._kind, version):
            self._on_change(change)

    async def next(self) -> Event | None:
        """Wait for the next event; None once the watch is closed.

        Raises:
            Overflowed: events were lost.
        """
        while not self._events:
            if self._overflowed:
                raise Overflowed
            if self.closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._events.popleft()

    def take(self) -> Event | None:
        """Return the next event, or None where none is ready."""
        return self._events.popleft() if self._events else None

    def close(self) -> None:
        """Stop receiving changes; a waiting reader gets None."""
        self.closed = True
        self._store.unlisten(self._kind, self._on_change)
        self._wake.set()

    def _on_change(self, change: Change) -> None:
        event = self._event(change)
        if event is None:
            return
        if len(self._events) >= self._backlog:
            self._overflowed = True
            self._store.unlisten(self._kind, self._on_change)
        else:
            self._events.append(event)
        self._wake.set()

    def _event(self, change: Change) -> Event | None:
        was = change.before is not None and self._matches(change.before)
        if change.type is ChangeType.DELETED:
            return Event(ChangeType.DELETED, change.now) if was else None
        if self._matches(change.now):
            return Event(ChangeType.MODIFIED if was else ChangeType.ADDED, change.now)
        if was and change.before is not None:
            return Event(ChangeType.DELETED, _at(change.before, change.now.version))
        return None


def _at(stored: Stored, version: int) -> Stored:
    """Return an older state under a newer version, so that a reader resumes after the change."""
    metadata = {**stored.body["metadata"], "resourceVersion": str(version)}
    return Stored({**stored.body, "metadata": metadata}, version)

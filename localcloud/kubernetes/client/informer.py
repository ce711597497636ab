"""A local copy of one kind of object, updated by one watch and shared by all readers.

Its objects are shared and must not be changed; for a changed one, build a new object.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Any

from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import Kind

Obj = dict[str, Any]
Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""

Handler = Callable[[Obj | None, Obj | None], None]
"""Called with (before, after); before is None for a new object, after for a deleted one."""

IndexKeys = Callable[[Obj], Iterable[Hashable]]

AGAIN = 1.0  # seconds before a broken watch is opened again

log = logging.getLogger(__name__)


def key_of(obj: Obj) -> Key:
    """Return the key of an object."""
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def _version(obj: Obj) -> int:
    return int(obj["metadata"]["resourceVersion"])


class Informer:
    """The objects of one kind, in the last state received from the API server."""

    def __init__(self, api: ApiClient, kind: Kind, query: dict[str, str] | None = None) -> None:
        self.kind = kind
        self.objects: dict[Key, Obj] = {}
        self.synced = asyncio.Event()
        self._api = api
        self._query = query
        self._handlers: list[Handler] = []
        self._indexes: dict[str, tuple[IndexKeys, dict[Hashable, dict[Key, Obj]]]] = {}
        self._newest = 0

    def on_change(self, handler: Handler) -> None:
        """Call a handler for each change from now on, and once for each existing object."""
        self._handlers.append(handler)
        for obj in list(self.objects.values()):
            handler(None, obj)

    def index(self, name: str, keys_of: IndexKeys) -> None:
        """Index objects by a property; an existing index of the name is shared."""
        if name not in self._indexes:
            self._indexes[name] = (keys_of, {})
            for key, obj in self.objects.items():
                self._enter(name, key, obj)

    def by(self, name: str, value: Hashable) -> Collection[Obj]:
        """Return the objects of an index value."""
        return self._indexes[name][1].get(value, {}).values()

    def learn(self, obj: Obj) -> None:
        """Store the result of a write, unless the watch has delivered it already.

        So a controller does not create an object twice while the watch is behind. Needs resource
        versions that increase, as those of one store do.
        """
        key = key_of(obj)
        known = self.objects.get(key)
        version = _version(obj)
        # An unknown object not newer than the watch has been deleted since.
        if version > self._newest if known is None else version >= _version(known):
            self._replace(key, obj)

    async def run(self) -> None:
        """Watch until cancelled; a broken watch is reopened."""
        while True:
            try:
                await self._follow()
            except (ApiFailure, OSError) as failure:
                log.warning("watch of %s: %s", self.kind.plural, failure)
            await asyncio.sleep(AGAIN)

    async def _follow(self) -> None:
        listed: set[Key] | None = set()
        async for change, obj in self._api.watch(self.kind.path(), query=self._query):
            if change == "SYNCED":
                for gone in self.objects.keys() - (listed or ()) if listed is not None else ():
                    self._replace(gone, None)
                listed = None
                self.synced.set()
                continue
            key = key_of(obj)
            if listed is not None:
                listed.add(key)
            version = _version(obj)
            self._newest = max(self._newest, version)
            known = self.objects.get(key)
            if change == "DELETED":
                self._replace(key, None)
            elif known is None or _version(known) < version:
                self._replace(key, obj)

    def _replace(self, key: Key, after: Obj | None) -> None:
        before = self.objects.get(key)
        if before is None and after is None:
            return
        for name in self._indexes:
            if before is not None:
                self._leave(name, key, before)
            if after is not None:
                self._enter(name, key, after)
        if after is None:
            del self.objects[key]
        else:
            self.objects[key] = after
        for handler in tuple(self._handlers):
            try:
                handler(before, after)
            except Exception:
                log.exception("%s %s: a change could not be handled", self.kind.kind, key)

    def _enter(self, name: str, key: Key, obj: Obj) -> None:
        keys_of, found = self._indexes[name]
        for value in keys_of(obj):
            found.setdefault(value, {})[key] = obj

    def _leave(self, name: str, key: Key, obj: Obj) -> None:
        keys_of, found = self._indexes[name]
        for value in keys_of(obj):
            entries = found[value]
            del entries[key]
            if not entries:
                del found[value]


class Informers:
    """One informer a kind, created on first use."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._made: dict[Kind, Informer] = {}

    def of(self, kind: Kind) -> Informer:
        """Return the informer of a kind; it watches only after the start of `run`."""
        if kind not in self._made:
            self._made[kind] = Informer(self._api, kind)
        return self._made[kind]

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Start all informers in a task group, and return when each has its first list."""
        made = list(self._made.values())
        for informer in made:
            group.create_task(informer.run(), name=f"watch {informer.kind.plural}")
        for informer in made:
            await informer.synced.wait()

"""A local copy of one kind of object, kept up to date by one watch and shared by all who read it.

Objects in it belong to everybody: whoever wants a changed one builds a new one.
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
"""Namespace (empty for what lives in none) and name."""

Handler = Callable[[Obj | None, Obj | None], None]
"""Hears (before, after); the first is None for a new object, the second for a deleted one."""

IndexKeys = Callable[[Obj], Iterable[Hashable]]

AGAIN = 1.0  # seconds before a broken watch is opened again

log = logging.getLogger(__name__)


def key_of(obj: Obj) -> Key:
    """Return the key under which an object is kept."""
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def _version(obj: Obj) -> int:
    return int(obj["metadata"]["resourceVersion"])


class Informer:
    """The objects of one kind as the API server last told."""

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
        """Call a handler for each change from now on, and once for each object there is."""
        self._handlers.append(handler)
        for obj in list(self.objects.values()):
            handler(None, obj)

    def index(self, name: str, keys_of: IndexKeys) -> None:
        """Keep objects findable by a property; the same name may be asked for twice."""
        if name not in self._indexes:
            self._indexes[name] = (keys_of, {})
            for key, obj in self.objects.items():
                self._enter(name, key, obj)

    def by(self, name: str, value: Hashable) -> Collection[Obj]:
        """Return the objects that an index holds under a value."""
        return self._indexes[name][1].get(value, {}).values()

    def learn(self, obj: Obj) -> None:
        """Take over what a write returned, unless the watch has told about it already.

        So a controller that has just created something does not create it again because the
        watch lags behind. Only for resource versions that count up, as those of one store do.
        """
        key = key_of(obj)
        known = self.objects.get(key)
        version = _version(obj)
        # What is not known and not newer than the watch has been deleted since.
        if version > self._newest if known is None else version >= _version(known):
            self._replace(key, obj)

    async def run(self) -> None:
        """Follow the API for ever; a watch that breaks is opened again."""
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
    """One informer a kind, made when first asked for."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._made: dict[Kind, Informer] = {}

    def of(self, kind: Kind) -> Informer:
        """Return the informer of a kind; it follows the API only once `run` has begun."""
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

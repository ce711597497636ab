"""Garbage collection of objects whose owners are deleted."""

import logging
from typing import Any

from localcloud.kubernetes.client.informer import Informer, Key, Obj, key_of
from localcloud.kubernetes.client.writes import delete, merge
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import (
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    ENDPOINTS,
    LEASE,
    NODE,
    POD,
    POD_DISRUPTION_BUDGET,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
    find_kind_by_name,
)
from localcloud.kubernetes.objects.pods import is_leaving

NAME = "garbage-collector"

WATCHED = (
    CONFIG_MAP, DAEMON_SET, DEPLOYMENT, ENDPOINT_SLICE, ENDPOINTS, LEASE, NODE, POD,
    POD_DISRUPTION_BUDGET, REPLICATION_CONTROLLER, REPLICA_SET, SECRET, SERVICE, SERVICE_ACCOUNT,
)  # fmt: skip
"""Kinds whose objects may be owners or dependents."""

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
"""Finalizers of the API server for the handling of an owner's dependents."""

Task = tuple[str, Key]
"""Plural of a kind, and the key of an object."""

log = logging.getLogger(__name__)


class GarbageCollector:
    """Deletes the dependents of deleted owners."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._informers: dict[Kind, Informer] = {
            kind: context.informers.of(kind) for kind in WATCHED
        }
        self._kinds = {kind.plural: kind for kind in WATCHED}
        self._queue = WorkQueue[Task](NAME, self._sync, context.clock)
        for kind, informer in self._informers.items():
            informer.index("owners", _owner_uids)
            informer.on_change(self._listener(kind))

    async def run(self) -> None:
        """Run until cancelled."""
        await self._queue.run()

    def _listener(self, kind: Kind) -> Any:
        def changed(before: Obj | None, after: Obj | None) -> None:
            if after is None:
                for dependent_kind, dependent in self._dependents(before or {}):
                    self._queue.add((dependent_kind.plural, key_of(dependent)))
                for uid in _owner_uids(before or {}):
                    self._requeue_owner(uid, before or {})
            elif _orders(after) or (_owner_uids(after) and self._may_be_orphan(before, after)):
                self._queue.add((kind.plural, key_of(after)))

        return changed

    def _may_be_orphan(self, before: Obj | None, after: Obj) -> bool:
        """Return whether an owner of an object may be gone."""
        if before is not None and _owner_uids(before) == _owner_uids(after):
            return False
        return not all(self._is_known(reference, after) for reference in _owners(after))

    def _is_known(self, reference: Obj, dependent: Obj) -> bool:
        kind = find_kind_by_name(reference["apiVersion"], reference["kind"])
        if kind not in self._informers:
            return False
        namespace = dependent["metadata"].get("namespace", "") if kind.namespaced else ""
        owner = self._informers[kind].objects.get((namespace, reference["name"]))
        return owner is not None and owner["metadata"]["uid"] == reference["uid"]

    def _requeue_owner(self, uid: str, dependent: Obj) -> None:
        """Queue an owner that waits for the deletion of its dependents."""
        for reference in _owners(dependent):
            kind = find_kind_by_name(reference["apiVersion"], reference["kind"])
            if reference["uid"] != uid or kind not in self._informers:
                continue
            namespace = dependent["metadata"].get("namespace", "") if kind.namespaced else ""
            owner = self._informers[kind].objects.get((namespace, reference["name"]))
            if owner is not None and _orders(owner):
                self._queue.add((kind.plural, key_of(owner)))

    def _dependents(self, owner: Obj) -> list[tuple[Kind, Obj]]:
        uid = owner["metadata"].get("uid")
        return [
            (kind, obj)
            for kind, informer in self._informers.items()
            for obj in informer.by("owners", uid)
        ]

    async def _sync(self, task: Task) -> None:
        kind, key = self._kinds[task[0]], task[1]
        obj = self._informers[kind].objects.get(key)
        if obj is None:
            return
        orders = _orders(obj)
        if ORPHAN in orders:
            await self._orphan_dependents(kind, obj)
        elif FOREGROUND in orders:
            await self._delete_dependents_first(kind, obj)
        elif not is_leaving(obj) and _owners(obj) and not await self._has_owner(obj):
            await self._drop(kind, obj)

    async def _has_owner(self, obj: Obj) -> bool:
        """Read the owner from the API, because its local copy may lag behind the dependent's."""
        for reference in _owners(obj):
            kind = find_kind_by_name(reference["apiVersion"], reference["kind"])
            if kind is None:
                return True  # an unknown kind is not ours to collect
            namespace = obj["metadata"].get("namespace", "") if kind.namespaced else ""
            try:
                owner = await self._api.request("GET", kind.path(namespace, reference["name"]))
            except ApiFailure as failure:
                if failure.status != 404:
                    raise
                continue
            if owner["metadata"]["uid"] == reference["uid"]:
                return True
        return False

    async def _drop(self, kind: Kind, obj: Obj) -> None:
        meta = obj["metadata"]
        log.info("%s %s is deleted with its owner", kind.kind, meta["name"])
        await delete(self._api, kind, obj)

    async def _orphan_dependents(self, kind: Kind, owner: Obj) -> None:
        uid = owner["metadata"]["uid"]
        for dependent_kind, dependent in self._dependents(owner):
            kept = [one for one in _owners(dependent) if one["uid"] != uid]
            await merge(
                self._api, dependent_kind, dependent, {"metadata": {"ownerReferences": kept}}
            )
        await self._finish(kind, owner, ORPHAN)

    async def _delete_dependents_first(self, kind: Kind, owner: Obj) -> None:
        uid = owner["metadata"]["uid"]
        blocking = False
        for dependent_kind, dependent in self._dependents(owner):
            reference = next(one for one in _owners(dependent) if one["uid"] == uid)
            blocking |= bool(reference.get("blockOwnerDeletion"))
            if not is_leaving(dependent):
                await delete(self._api, dependent_kind, dependent)
        if not blocking:
            await self._finish(kind, owner, FOREGROUND)

    async def _finish(self, kind: Kind, owner: Obj, order: str) -> None:
        meta = owner["metadata"]
        change = {
            "metadata": {
                "resourceVersion": meta["resourceVersion"],
                "finalizers": [one for one in meta["finalizers"] if one != order] or None,
            }
        }
        await merge(self._api, kind, owner, change)


def _owners(obj: Obj) -> list[Obj]:
    return obj["metadata"].get("ownerReferences") or []


def _owner_uids(obj: Obj) -> list[str]:
    return [reference["uid"] for reference in _owners(obj)]


def _orders(obj: Obj) -> set[str]:
    """Return the finalizers of an object that the garbage collector handles."""
    if not is_leaving(obj):
        return set()
    return {ORPHAN, FOREGROUND} & set(obj["metadata"].get("finalizers") or ())

"""ReplicationControllers and ReplicaSets: the requested number of pods."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from localcloud.kubernetes.client.informer import Key, Obj, key_of
from localcloud.kubernetes.client.writes import delete, merge, merge_status
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import POD, REPLICA_SET, REPLICATION_CONTROLLER, Kind
from localcloud.kubernetes.objects.pods import (
    controller_of,
    controller_uid,
    find_condition,
    is_active,
    is_leaving,
    is_ready,
)
from localcloud.kubernetes.objects.selectors import LabelTest, label_selector_test

BURST = 500  # pods created or deleted in one batch, as upstream; the next batch follows at once

PAUSE_PER_POD = 0.0002  # seconds
LONGEST_REST = 0.5

COMPONENTS = {
    REPLICATION_CONTROLLER: "replication-controller",
    REPLICA_SET: "replicaset-controller",
}

log = logging.getLogger(__name__)


class ReplicaController:
    """Keeps the number of pods of one kind of controller (RC or ReplicaSet)."""

    def __init__(self, context: Context, kind: Kind) -> None:
        self._context = context
        self._kind = kind
        self._owners = context.informers.of(kind)
        self._pods = context.informers.of(POD)
        self._pods.index("controller", lambda pod: [controller_uid(pod)])
        self._pods.index("namespace", lambda pod: [pod["metadata"]["namespace"]])
        self._owners.index("namespace", lambda owner: [owner["metadata"]["namespace"]])
        self._owners.index("uid", lambda owner: [owner["metadata"]["uid"]])
        self._queue = WorkQueue[Key](COMPONENTS[kind], self._sync, context.clock, self._pause)
        self._events = context.recorder(COMPONENTS[kind])
        self._owners.on_change(self._owner_changed)
        self._pods.on_change(self._pod_changed)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.run())
            group.create_task(self._events.run())

    def _pause(self, key: Key) -> float:
        """Pause between syncs of a controller with many pods, because each counts all."""
        owner = self._owners.objects.get(key)
        return min(len(self._owned(owner)) * PAUSE_PER_POD, LONGEST_REST) if owner else 0.0

    def _owner_changed(self, before: Obj | None, after: Obj | None) -> None:
        self._queue.add(key_of(after or before or {}))

    def _pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        for pod in filter(None, (before, after)):
            for owner in self._owners.by("uid", controller_uid(pod)):
                self._queue.add(key_of(owner))
        if after is not None and controller_of(after) is None and is_active(after):
            for owner in self._owners.by("namespace", after["metadata"]["namespace"]):
                if _selects(self._kind, owner)(after["metadata"].get("labels") or {}):
                    self._queue.add(key_of(owner))

    async def _sync(self, key: Key) -> None:
        owner = self._owners.objects.get(key)
        if owner is None:
            return
        pods = await self._claim(owner)
        active = [pod for pod in pods if is_active(pod)]
        problem = None
        if not is_leaving(owner):
            problem = await self._adjust(owner, active)
        pods = [pod for pod in self._owned(owner) if is_active(pod)]
        await self._report(owner, pods, problem)
        if problem is not None:
            raise problem

    def _owned(self, owner: Obj) -> list[Obj]:
        return list(self._pods.by("controller", owner["metadata"]["uid"]))

    async def _claim(self, owner: Obj) -> list[Obj]:
        """Adopt matching pods without a controller, and release those that no longer match."""
        selects = _selects(self._kind, owner)
        meta = owner["metadata"]
        owned = self._owned(owner)
        kept = [pod for pod in owned if selects(pod["metadata"].get("labels") or {})]
        if is_leaving(owner):
            return kept
        for pod in owned:
            if is_active(pod) and not selects(pod["metadata"].get("labels") or {}):
                others = [
                    reference
                    for reference in pod["metadata"]["ownerReferences"]
                    if reference["uid"] != meta["uid"]
                ]
                await self._set_owners(pod, others)
        for pod in list(self._pods.by("controller", "")):
            labels = pod["metadata"].get("labels") or {}
            if (
                pod["metadata"]["namespace"] == meta["namespace"]
                and is_active(pod)
                and selects(labels)
            ):
                references = pod["metadata"].get("ownerReferences") or []
                kept.append(
                    await self._set_owners(pod, [*references, owner_reference(self._kind, owner)])
                )
        return kept

    async def _set_owners(self, pod: Obj, references: list[Obj]) -> Obj:
        change = {"metadata": {"uid": pod["metadata"]["uid"], "ownerReferences": references}}
        changed = await merge(self._context.api, POD, pod, change)
        self._pods.learn(changed)
        return changed

    async def _adjust(self, owner: Obj, active: list[Obj]) -> ApiFailure | None:
        """Create or delete pods; return the failure that prevented it, or None."""
        missing = owner["spec"].get("replicas", 1) - len(active)
        try:
            if missing > 0:
                await self._create(owner, min(missing, BURST))
            elif missing < 0:
                await self._delete(owner, sorted(active, key=_expendable)[: min(-missing, BURST)])
        except ApiFailure as failure:
            return failure
        if abs(missing) > BURST:
            self._queue.add(key_of(owner))
        return None

    async def _create(self, owner: Obj, count: int) -> None:
        body = pod_from_template(self._kind, owner)
        path = POD.path(owner["metadata"]["namespace"])
        for _ in range(count):
            try:
                pod = await self._context.api.request("POST", path, body=body)
            except ApiFailure as failure:
                message = f"Error creating: {failure.message}"
                self._events.record(self._kind, owner, "FailedCreate", message, warning=True)
                raise
            self._pods.learn(pod)
            name = pod["metadata"]["name"]
            self._events.record(self._kind, owner, "SuccessfulCreate", f"Created pod: {name}")
            await asyncio.sleep(0)

    async def _delete(self, owner: Obj, pods: Iterable[Obj]) -> None:
        for pod in pods:
            answer = await delete(self._context.api, POD, pod)
            # Counted as leaving at once, before the watch delivers it.
            self._pods.learn(as_leaving(answer if answer.get("kind") == "Pod" else pod))
            name = pod["metadata"]["name"]
            self._events.record(self._kind, owner, "SuccessfulDelete", f"Deleted pod: {name}")
            await asyncio.sleep(0)

    async def _report(self, owner: Obj, pods: list[Obj], problem: ApiFailure | None) -> None:
        labels = owner["spec"]["template"]["metadata"].get("labels") or {}
        ready = [pod for pod in pods if is_ready(pod)]
        available, soonest = self._available(owner, ready)
        fully = sum(labels.items() <= (pod["metadata"].get("labels") or {}).items() for pod in pods)
        status: dict[str, Any] = {
            "replicas": len(pods),
            "fullyLabeledReplicas": fully or None,
            "readyReplicas": len(ready) or None,
            "availableReplicas": available or None,
            "observedGeneration": owner["metadata"].get("generation"),
            "conditions": self._conditions(owner, problem),
        }
        changed = await merge_status(self._context.api, self._kind, owner, status)
        if changed is not None:
            self._owners.learn(changed)
        if soonest is not None:
            self._queue.add_after(key_of(owner), soonest)

    def _available(self, owner: Obj, ready: list[Obj]) -> tuple[int, float | None]:
        """Return the number of available pods, and the seconds until the next count, or None."""
        wanted = owner["spec"].get("minReadySeconds", 0)
        if not wanted:
            return len(ready), None
        ages = [self._ready_for(pod) for pod in ready]
        waits = [wanted - age for age in ages if age < wanted]
        return len(ages) - len(waits), min(waits, default=None)

    def _ready_for(self, pod: Obj) -> float:
        condition = find_condition(pod, "Ready") or {}
        since = datetime.fromisoformat(condition["lastTransitionTime"])
        return (self._context.clock.now() - since).total_seconds()

    def _conditions(self, owner: Obj, problem: ApiFailure | None) -> list[Obj] | None:
        if problem is None:
            return None
        condition = {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": problem.message,
        }
        return [condition]


def owner_reference(kind: Kind, owner: Obj) -> Obj:
    """Return the owner reference to a controller."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_from_template(kind: Kind, owner: Obj) -> Obj:
    """Return a new pod of a controller's template, without a name."""
    template = owner["spec"]["template"]
    described = template.get("metadata") or {}
    meta = {
        "generateName": owner["metadata"]["name"] + "-",
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [owner_reference(kind, owner)],
    }
    for field in ("labels", "annotations", "finalizers"):
        if described.get(field):
            meta[field] = described[field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}


def as_leaving(pod: Obj) -> Obj:
    """Return a pod in its later state, marked for deletion."""
    meta = pod["metadata"]
    moment = meta.get("deletionTimestamp") or meta["creationTimestamp"]
    return {**pod, "metadata": {**meta, "deletionTimestamp": moment}}


def _selects(kind: Kind, owner: Obj) -> LabelTest:
    selector = owner["spec"].get("selector") or {}
    if kind is REPLICATION_CONTROLLER:
        selector = {"matchLabels": selector}
    return label_selector_test(selector)


def _expendable(pod: Obj) -> tuple[Any, ...]:
    """Sort key: the first in order is deleted first when there are too many.

    Not placed before placed, pending before running, not ready before ready, a lower deletion
    cost first, then the one that has been ready for the shortest time, then the newest.
    """
    meta, status = pod["metadata"], pod.get("status", {})
    cost = (meta.get("annotations") or {}).get("controller.kubernetes.io/pod-deletion-cost", "0")
    phases = {"Pending": 0, "Unknown": 1, "Running": 2}
    since = (find_condition(pod, "Ready") or {}).get("lastTransitionTime") or ""
    return (
        bool(pod["spec"].get("nodeName")),
        phases.get(status.get("phase", ""), 2),
        is_ready(pod),
        int(cost) if cost.lstrip("-").isdigit() else 0,
        _newest_first(since),
        _newest_first(meta["creationTimestamp"]),
        meta["name"],
    )


def _newest_first(moment: str) -> float:
    return -datetime.fromisoformat(moment).timestamp() if moment else 0.0

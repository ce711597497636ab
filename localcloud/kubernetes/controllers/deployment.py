"""Deployments: one ReplicaSet a revision, and rollouts between them."""

import asyncio
from datetime import datetime
from typing import Any

from localcloud.clock import stamp
from localcloud.kubernetes.client.informer import Key, Obj, key_of
from localcloud.kubernetes.client.writes import delete, merge, merge_status
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.revisions import (
    DESIRED,
    HISTORY,
    MAXIMUM,
    REVISION,
    find_new,
    make_replica_set,
    replica_set_annotations,
    revision_of,
)
from localcloud.kubernetes.controllers.rollout import (
    Progress,
    available,
    bounds_of,
    grown_size,
    has_progressed,
    is_complete,
    shrunk_sizes,
    size,
    with_condition,
)
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import DEPLOYMENT, POD, REPLICA_SET
from localcloud.kubernetes.objects.pods import (
    controller_of,
    controller_uid,
    find_condition,
    is_finished,
    is_leaving,
)

NAME = "deployment-controller"


class DeploymentController:
    """Rolls Deployments out."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._clock = context.clock
        self._deployments = context.informers.of(DEPLOYMENT)
        self._sets = context.informers.of(REPLICA_SET)
        self._pods = context.informers.of(POD)
        self._sets.index("controller", lambda one: [controller_uid(one)])
        self._pods.index("controller", lambda pod: [controller_uid(pod)])
        self._queue = WorkQueue[Key](NAME, self._sync, context.clock)
        self._events = context.recorder(NAME)
        self._deployments.on_change(
            lambda before, after: self._queue.add(key_of(after or before or {}))
        )
        self._sets.on_change(self._set_changed)
        self._pods.on_change(self._pod_changed)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.run())
            group.create_task(self._events.run())

    def _set_changed(self, before: Obj | None, after: Obj | None) -> None:
        owner = controller_of(after or before or {})
        if owner is not None and owner["kind"] == DEPLOYMENT.kind:
            namespace = (after or before or {})["metadata"]["namespace"]
            self._queue.add((namespace, owner["name"]))

    def _pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        """React to deleted pods, for which Recreate waits and which the status counts."""
        gone = before is not None and (after is None or is_leaving(after) != is_leaving(before))
        owner = controller_of(before) if before is not None and gone else None
        if before is not None and owner is not None and owner["kind"] == REPLICA_SET.kind:
            owning = self._sets.objects.get((before["metadata"]["namespace"], owner["name"]))
            if owning is not None:
                self._set_changed(None, owning)

    async def _sync(self, key: Key) -> None:
        deployment = self._deployments.objects.get(key)
        if deployment is None or is_leaving(deployment):
            return
        owned = sorted(
            self._sets.by("controller", deployment["metadata"]["uid"]),
            key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]),
        )
        new = find_new(deployment, owned)
        old = [one for one in owned if one is not new]
        if deployment["spec"].get("paused"):
            new, old = await self._only_scale(deployment, new, old)
        elif (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
            new, old = await self._recreate(deployment, new, old)
        else:
            new, old = await self._roll(deployment, new, old)
        deployment = await self._report(deployment, new, old)
        if new is not None and is_complete(deployment, _counts(new, old)):
            await self._forget_history(deployment, old)

    async def _roll(
        self, deployment: Obj, new: Obj | None, old: list[Obj]
    ) -> tuple[Obj, list[Obj]]:
        new = await self._ensure_new(deployment, new, old)
        new = await self._resize(deployment, new, grown_size(deployment, new, old))
        sizes = shrunk_sizes(deployment, new, old)
        return new, [
            await self._resize(deployment, one, count)
            for one, count in zip(old, sizes, strict=True)
        ]

    async def _recreate(
        self, deployment: Obj, new: Obj | None, old: list[Obj]
    ) -> tuple[Obj | None, list[Obj]]:
        old = [await self._resize(deployment, one, 0) for one in old]
        if any(not is_finished(pod) for one in old for pod in self._pods_of(one)):
            return new, old
        new = await self._ensure_new(deployment, new, old)
        wanted = deployment["spec"].get("replicas", 1)
        return await self._resize(deployment, new, wanted), old

    async def _only_scale(
        self, deployment: Obj, new: Obj | None, old: list[Obj]
    ) -> tuple[Obj | None, list[Obj]]:
        """Bring a paused Deployment to its size by its newest ReplicaSet that has pods."""
        active = [one for one in [*old, *([new] if new else [])] if size(one)]
        if len(active) <= 1 and (new or active):
            target = active[0] if active else new
            if target is not None:
                wanted = deployment["spec"].get("replicas", 1)
                scaled = await self._resize(deployment, target, wanted)
                new = scaled if target is new else new
                old = [scaled if one is target else one for one in old]
        return new, old

    def _pods_of(self, replica_set: Obj) -> list[Obj]:
        return list(self._pods.by("controller", replica_set["metadata"]["uid"]))

    async def _ensure_new(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> Obj:
        """Ensure a ReplicaSet for the current template, numbered as the newest revision."""
        newest = max(map(revision_of, old), default=0)
        limit = deployment["spec"].get("replicas", 1) + bounds_of(deployment).surge
        if new is None:
            new = await self._create_new(deployment, old, limit, newest + 1)
        else:
            new = await self._renumber(deployment, new, limit, max(newest + 1, revision_of(new)))
        revision = str(revision_of(new))
        if (deployment["metadata"].get("annotations") or {}).get(REVISION) != revision:
            change = {"metadata": {"annotations": {REVISION: revision}}}
            self._deployments.learn(await merge(self._api, DEPLOYMENT, deployment, change))
        return new

    async def _create_new(self, deployment: Obj, old: list[Obj], limit: int, revision: int) -> Obj:
        draft = make_replica_set(deployment, 0, limit, revision)
        count = grown_size(deployment, draft, old)
        draft["spec"]["replicas"] = count
        namespace = draft["metadata"]["namespace"]
        try:
            new: Obj = await self._api.request("POST", REPLICA_SET.path(namespace), body=draft)
        except ApiFailure as failure:
            message = f'Failed to create new replica set "{draft["metadata"]["name"]}": {failure}'
            self._events.record(
                DEPLOYMENT, deployment, "ReplicaSetCreateError", message, warning=True
            )
            raise
        self._sets.learn(new)
        if count:
            self._record_scaled(deployment, new, 0, count)
        return new

    async def _renumber(self, deployment: Obj, new: Obj, limit: int, revision: int) -> Obj:
        """Write the Deployment's annotations to its new ReplicaSet, also after a rollback."""
        current = new["metadata"].get("annotations") or {}
        wanted = replica_set_annotations(deployment, limit, revision)
        before = revision_of(new)
        if before and before != revision:
            history = [*filter(None, current.get(HISTORY, "").split(",")), str(before)]
            wanted[HISTORY] = ",".join(history)
        if wanted.items() <= current.items():
            return new
        changed = await merge(self._api, REPLICA_SET, new, {"metadata": {"annotations": wanted}})
        self._sets.learn(changed)
        return changed

    async def _resize(self, deployment: Obj, replica_set: Obj, count: int) -> Obj:
        before = size(replica_set)
        if before == count:
            return replica_set
        limit = deployment["spec"].get("replicas", 1) + bounds_of(deployment).surge
        notes = {DESIRED: str(deployment["spec"].get("replicas", 1)), MAXIMUM: str(limit)}
        change = {"metadata": {"annotations": notes}, "spec": {"replicas": count}}
        changed = await merge(self._api, REPLICA_SET, replica_set, change)
        self._sets.learn(changed)
        self._record_scaled(deployment, changed, before, count)
        return changed

    def _record_scaled(self, deployment: Obj, replica_set: Obj, before: int, after: int) -> None:
        way = "up" if after > before else "down"
        name = replica_set["metadata"]["name"]
        message = f"Scaled {way} replica set {name} from {before} to {after}"
        self._events.record(DEPLOYMENT, deployment, "ScalingReplicaSet", message)

    async def _report(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> Obj:
        wanted = deployment["spec"].get("replicas", 1)
        status = _counts(new, old)
        sets = [*old, *([new] if new else [])]
        leaving = [pod for one in sets for pod in self._pods_of(one) if is_leaving(pod)]
        status["terminatingReplicas"] = len(leaving)
        status["unavailableReplicas"] = (
            max(sum(map(size, sets)) - (status["availableReplicas"] or 0), 0) or None
        )
        status["observedGeneration"] = deployment["metadata"].get("generation")
        now = stamp(self._clock.now())
        conditions = list((deployment.get("status") or {}).get("conditions") or ())
        enough = wanted - bounds_of(deployment).unavailable
        conditions = with_condition(conditions, "Available", _availability(status, enough), now)
        if not deployment["spec"].get("paused"):
            progress = self._progress(deployment, new, status)
            conditions = with_condition(conditions, "Progressing", progress, now)
            conditions = _touch(conditions, has_progressed(deployment, status), now)
        status["conditions"] = conditions
        changed = await merge_status(self._api, DEPLOYMENT, deployment, status)
        if changed is not None:
            self._deployments.learn(changed)
        return changed or deployment

    def _progress(self, deployment: Obj, new: Obj | None, status: dict[str, Any]) -> Progress:
        what = f'ReplicaSet "{new["metadata"]["name"]}"' if new else "Deployment"
        if new is not None and is_complete(deployment, status):
            message = f"{what} has successfully progressed."
            return Progress("True", "NewReplicaSetAvailable", message)
        known = find_condition(deployment, "Progressing")
        deadline = deployment["spec"].get("progressDeadlineSeconds", 600)
        under_way = known is not None and known["reason"] != "NewReplicaSetAvailable"
        if known is not None and under_way and not has_progressed(deployment, status):
            since = datetime.fromisoformat(known["lastUpdateTime"])
            left = deadline - (self._clock.now() - since).total_seconds()
            if left <= 0:
                message = f"{what} has timed out progressing."
                return Progress("False", "ProgressDeadlineExceeded", message)
            self._queue.add_after(key_of(deployment), left)
            return Progress("True", known["reason"], known["message"])
        self._queue.add_after(key_of(deployment), deadline)
        return Progress("True", "ReplicaSetUpdated", f"{what} is progressing.")

    async def _forget_history(self, deployment: Obj, old: list[Obj]) -> None:
        """Delete the oldest empty ReplicaSets beyond the wanted history."""
        empty = sorted(
            (
                one
                for one in old
                if not size(one)
                and not (one.get("status") or {}).get("replicas")
                and not is_leaving(one)
            ),
            key=revision_of,
        )
        limit = deployment["spec"].get("revisionHistoryLimit", 10)
        for one in empty[: max(len(empty) - limit, 0)]:
            await delete(self._api, REPLICA_SET, one)


def _counts(new: Obj | None, old: list[Obj]) -> dict[str, Any]:
    sets = [*old, *([new] if new else [])]
    statuses = [one.get("status") or {} for one in sets]
    updated = (new.get("status") or {}).get("replicas") or 0 if new else 0
    return {
        "replicas": sum(one.get("replicas") or 0 for one in statuses) or None,
        "updatedReplicas": updated or None,
        "readyReplicas": sum(one.get("readyReplicas") or 0 for one in statuses) or None,
        "availableReplicas": sum(map(available, sets)) or None,
    }


def _availability(status: dict[str, Any], enough: int) -> Progress:
    if (status["availableReplicas"] or 0) >= enough:
        message = "Deployment has minimum availability."
        return Progress("True", "MinimumReplicasAvailable", message)
    message = "Deployment does not have minimum availability."
    return Progress("False", "MinimumReplicasUnavailable", message)


def _touch(conditions: list[Obj], progressed: bool, now: str) -> list[Obj]:
    """Restart the progress deadline after progress."""
    if not progressed:
        return conditions
    return [
        {**one, "lastUpdateTime": now} if one["type"] == "Progressing" else one
        for one in conditions
    ]

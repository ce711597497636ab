"""Pods on tainted or deleted nodes."""

import asyncio
import logging
from datetime import datetime
from math import inf

from localcloud.kubernetes.client.informer import Key, Obj, key_of
from localcloud.kubernetes.client.writes import delete
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.kinds import NODE, POD
from localcloud.kubernetes.objects.pods import is_leaving, matches_taint

NAME = "taint-eviction-controller"

ORPHANED = 40.0  # seconds that a pod of a missing node is left alone, as upstream

log = logging.getLogger(__name__)


class EvictionController:
    """Deletes pods of nodes with NoExecute taints, and of nodes that do not exist."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._clock = context.clock
        self._nodes = context.informers.of(NODE)
        self._pods = context.informers.of(POD)
        self._pods.index("node", lambda pod: [pod["spec"].get("nodeName", "")])
        self._missing_since: dict[str, datetime] = {}
        self._queue = WorkQueue[Key](NAME, self._sync, context.clock)
        self._events = context.recorder(NAME)
        self._nodes.on_change(self._node_changed)
        self._pods.on_change(self._pod_changed)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.run())
            group.create_task(self._events.run())

    def _node_changed(self, before: Obj | None, after: Obj | None) -> None:
        name = (after or before or {})["metadata"]["name"]
        if after is not None:
            self._missing_since.pop(name, None)
            if _drivers(before) == _drivers(after):
                return
        for pod in self._pods.by("node", name):
            self._queue.add(key_of(pod))

    def _pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        if after is None or not after["spec"].get("nodeName"):
            return
        if before is not None and before["spec"].get("nodeName"):
            return
        node = self._nodes.objects.get(("", after["spec"]["nodeName"]))
        if node is None or _drivers(node):
            self._queue.add(key_of(after))

    async def _sync(self, key: Key) -> None:
        pod = self._pods.objects.get(key)
        if pod is None:
            return
        name = pod["spec"].get("nodeName", "")
        node = self._nodes.objects.get(("", name))
        if node is None:
            await self._collect(key, pod, name)
        elif not is_leaving(pod):
            await self._evict(key, pod, node)

    async def _collect(self, key: Key, pod: Obj, name: str) -> None:
        """Delete a pod of a deleted node, unless the node may be new and not yet watched."""
        since = self._missing_since.setdefault(name, self._clock.now())
        left = ORPHANED - (self._clock.now() - since).total_seconds()
        if left > 0:
            self._queue.add_after(key, left)
            return
        log.info("pod %s/%s is deleted: its node %s does not exist", *key, name)
        await delete(self._api, POD, pod, grace=0)

    async def _evict(self, key: Key, pod: Obj, node: Obj) -> None:
        """Delete a pod that does not tolerate its node, or no longer."""
        now = self._clock.now()
        left = inf
        for taint in _drivers(node):
            added = datetime.fromisoformat(taint["timeAdded"]) if taint.get("timeAdded") else now
            tolerated = _tolerated_for(pod, taint)
            left = min(left, tolerated - (now - added).total_seconds())
        if left == inf:
            return
        if left > 0:
            self._queue.add_after(key, left)
            return
        message = f"Marking for deletion Pod {key[0]}/{key[1]}"
        self._events.record(POD, pod, "TaintManagerEviction", message)
        await delete(self._api, POD, pod)


def _drivers(node: Obj | None) -> list[Obj]:
    """Return the NoExecute taints of a node."""
    taints = ((node or {}).get("spec") or {}).get("taints") or ()
    return [taint for taint in taints if taint["effect"] == "NoExecute"]


def _tolerated_for(pod: Obj, taint: Obj) -> float:
    """Return for how many seconds a pod tolerates a taint: infinity for no limit, 0 for not."""
    fitting = [one for one in pod["spec"].get("tolerations") or () if matches_taint(one, taint)]
    if not fitting:
        return 0.0
    limits = [
        one["tolerationSeconds"] for one in fitting if one.get("tolerationSeconds") is not None
    ]
    return float(min(limits)) if limits else inf

"""Namespaces: how they are emptied before their deletion."""

import asyncio
import logging
from typing import Any

from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import EVENT, KINDS, NAMESPACE, POD
from localcloud.kubernetes.objects.pods import is_leaving

NAME = "namespace-controller"
LOOK_AGAIN = 5.0  # seconds

CONTENTS = sorted(
    (kind for kind in KINDS if kind.namespaced and {"list", "delete"} <= set(kind.verbs)),
    key=lambda kind: kind is EVENT,
)
"""Namespaced kinds; events last, because deleting the others records some."""

log = logging.getLogger(__name__)


class NamespaceController:
    """Deletes the contents of a leaving namespace, then removes its finalizer."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._namespaces = context.informers.of(NAMESPACE)
        self._queue = WorkQueue[str](NAME, self._sync, context.clock)
        self._pods = context.informers.of(POD)
        self._namespaces.on_change(self._changed)
        self._pods.on_change(self._pod_changed)

    async def run(self) -> None:
        """Run until cancelled."""
        await self._queue.run()

    def _changed(self, before: Obj | None, after: Obj | None) -> None:
        if after is not None and is_leaving(after):
            self._queue.add(after["metadata"]["name"])

    def _pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        """Queue the namespace of a deleted pod."""
        if after is None and before is not None:
            namespace = self._namespaces.objects.get(("", before["metadata"]["namespace"]))
            if namespace is not None and is_leaving(namespace):
                self._queue.add(namespace["metadata"]["name"])

    async def _sync(self, name: str) -> None:
        namespace = self._namespaces.objects.get(("", name))
        if namespace is None or not is_leaving(namespace):
            return
        left = 0
        for kind in CONTENTS:
            left += await self._empty(kind.path(name))
        if left:
            log.debug("namespace %s waits for %d objects", name, left)
            # Deleted pods queue the namespace; objects with finalizers are polled.
            self._queue.add_after(name, LOOK_AGAIN)
            return
        body = {**namespace, "spec": {**namespace.get("spec", {}), "finalizers": []}}
        body["metadata"] = {k: v for k, v in body["metadata"].items() if k != "resourceVersion"}
        await self._api.request("PUT", NAMESPACE.path("", name, "finalize"), body=body)

    async def _empty(self, collection: str) -> int:
        """Delete the objects of a collection, and return how many still exist."""
        listed: dict[str, Any] = await self._api.request("GET", collection)
        left = 0
        for item in listed["items"]:
            left += await self._remove(collection, item)
            await asyncio.sleep(0)
        return left

    async def _remove(self, collection: str, item: Obj) -> int:
        if is_leaving(item):
            return 1
        body = {"propagationPolicy": "Background", "kind": "DeleteOptions", "apiVersion": "v1"}
        path = f"{collection}/{item['metadata']['name']}"
        try:
            answer = await self._api.request("DELETE", path, body=body)
        except ApiFailure as failure:
            if failure.status != 404:
                raise
            return 0
        return int(is_leaving(answer) if "metadata" in answer else False)

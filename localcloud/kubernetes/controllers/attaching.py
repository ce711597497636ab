"""Asks that volumes be attached to the nodes of the pods that use them, and detached afterwards.

The driver of a volume, a program in a pod, does what a VolumeAttachment asks for.
"""

from collections.abc import Iterator

from localcloud.kubernetes.client.informer import Key, Obj
from localcloud.kubernetes.client.writes import delete
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.kinds import (
    CLAIM,
    PERSISTENT_VOLUME,
    POD,
    VOLUME_ATTACHMENT,
)
from localcloud.kubernetes.objects.names import attachment_name
from localcloud.kubernetes.objects.pods import claims_of, is_finished, is_leaving

NAME = "attachdetach-controller"
_SHARED = ("ReadOnlyMany", "ReadWriteMany")


class AttachController:
    """One VolumeAttachment for each volume and node with a pod that uses it."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._events = context.recorder(NAME)
        self._pods = context.informers.of(POD)
        self._claims = context.informers.of(CLAIM)
        self._volumes = context.informers.of(PERSISTENT_VOLUME)
        self._attachments = context.informers.of(VOLUME_ATTACHMENT)
        self._pods.index("claim", lambda pod: list(_claim_keys(pod)))
        self._attachments.index("volume", lambda one: [_volume_of(one)])
        self._queue = WorkQueue[str](NAME, self._sync, context.clock)
        self._pods.on_change(self._pod_changed)
        self._claims.on_change(self._claim_changed)
        self._attachments.on_change(
            lambda before, after: self._queue.add(_volume_of(after or before or {}))
        )

    async def run(self) -> None:
        """Run until cancelled."""
        await self._queue.run()

    def _pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        for key in _claim_keys(after or before or {}):
            self._claim_changed(None, self._claims.objects.get(key))

    def _claim_changed(self, before: Obj | None, after: Obj | None) -> None:
        if name := ((after or before or {}).get("spec") or {}).get("volumeName"):
            self._queue.add(name)

    async def _sync(self, name: str) -> None:
        volume = self._volumes.objects.get(("", name))
        present = {one["spec"]["nodeName"]: one for one in self._attachments.by("volume", name)}
        wanted = self._nodes_of(volume) if volume else {}
        for node, attachment in present.items():
            if node not in wanted and not is_leaving(attachment):
                await delete(self._api, VOLUME_ATTACHMENT, attachment)
        for node, pod in wanted.items():
            if node not in present and volume is not None:
                if present and not set(volume["spec"]["accessModes"]) & set(_SHARED):
                    text = (
                        f'Multi-Attach error for volume "{name}" Volume is already exclusively '
                        "attached to one node and can't be attached to another"
                    )
                    self._events.record(POD, pod, "FailedAttachVolume", text, warning=True)
                    return  # the end of the other one is a change
                await self._attach(volume, node)

    def _nodes_of(self, volume: Obj) -> dict[str, Obj]:
        """Return the nodes that need a volume, each with a pod that uses it there."""
        reference = volume["spec"].get("claimRef")
        if not reference or not volume["spec"].get("csi"):
            return {}
        key: Key = (reference.get("namespace", ""), reference.get("name", ""))
        claim = self._claims.objects.get(key)
        if claim is None or claim["spec"].get("volumeName") != volume["metadata"]["name"]:
            return {}
        return {
            pod["spec"]["nodeName"]: pod
            for pod in self._pods.by("claim", key)
            if pod["spec"].get("nodeName") and not is_finished(pod)
        }

    async def _attach(self, volume: Obj, node: str) -> None:
        csi = volume["spec"]["csi"]
        body = {
            "apiVersion": VOLUME_ATTACHMENT.api_version,
            "kind": VOLUME_ATTACHMENT.kind,
            "metadata": {"name": attachment_name(csi["driver"], csi["volumeHandle"], node)},
            "spec": {
                "attacher": csi["driver"],
                "nodeName": node,
                "source": {"persistentVolumeName": volume["metadata"]["name"]},
            },
        }
        made = await self._api.request("POST", VOLUME_ATTACHMENT.path(), body=body)
        self._attachments.learn(made)


def _claim_keys(pod: Obj) -> Iterator[Key]:
    if pod:
        for name in claims_of(pod):
            yield pod["metadata"]["namespace"], name


def _volume_of(attachment: Obj) -> str:
    source = (attachment.get("spec") or {}).get("source") or {}
    return str(source.get("persistentVolumeName", ""))

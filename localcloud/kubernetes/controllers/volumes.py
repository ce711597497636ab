"""Binds claims to volumes, as kube-controller-manager does, and lets go what nobody uses.

Volumes are made by the provisioner that a claim's class names: a program in a pod. This controller
asks for them by an annotation, and binds what has been made. Volumes that an administrator makes
are bound where they name their claim.
"""

from typing import Any

from localcloud.kubernetes.client.informer import Informer, Key, Obj, key_of
from localcloud.kubernetes.client.writes import merge, merge_status
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.defaults import PROTECTIONS
from localcloud.kubernetes.objects.kinds import (
    CLAIM,
    PERSISTENT_VOLUME,
    POD,
    STORAGE_CLASS,
    Kind,
)
from localcloud.kubernetes.objects.pods import claims_of, is_finished, is_leaving

NAME = "persistentvolume-controller"
PROVISIONERS = (
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
)
SELECTED_NODE = "volume.kubernetes.io/selected-node"
FIRST_CONSUMER = "WaitForFirstConsumer"
_BOUND = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}

Work = tuple[str, Key]
"""A kind and the key of one object of it."""


class VolumeController:
    """Claims and volumes: bound, released, and removed once nobody uses them."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._events = context.recorder(NAME)
        self._claims = context.informers.of(CLAIM)
        self._volumes = context.informers.of(PERSISTENT_VOLUME)
        self._classes = context.informers.of(STORAGE_CLASS)
        self._pods = context.informers.of(POD)
        self._pods.index("claim", _claims_with_place)
        self._volumes.index("claim", _claim_of_volume)
        self._queue = WorkQueue[Work](NAME, self._sync, context.clock)
        self._claims.on_change(self._claim_changed)
        self._volumes.on_change(self._volume_changed)
        self._classes.on_change(self._class_changed)
        self._pods.on_change(self._pod_changed)

    async def run(self) -> None:
        """Run until cancelled."""
        await self._queue.run()

    def _claim_changed(self, before: Obj | None, after: Obj | None) -> None:
        key = key_of(after or before or {})
        self._queue.add((CLAIM.kind, key))
        for volume in self._volumes.by("claim", key):
            self._queue.add((PERSISTENT_VOLUME.kind, key_of(volume)))

    def _volume_changed(self, before: Obj | None, after: Obj | None) -> None:
        changed = after or before or {}
        if after is not None:
            self._queue.add((PERSISTENT_VOLUME.kind, key_of(after)))
        for key in _claim_of_volume(changed):
            self._queue.add((CLAIM.kind, key))

    def _class_changed(self, before: Obj | None, after: Obj | None) -> None:
        for key in self._claims.objects:
            self._queue.add((CLAIM.kind, key))

    def _pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        for key in _claims_with_place(before or {}) if after is None or is_finished(after) else ():
            self._queue.add((CLAIM.kind, key))

    async def _sync(self, work: Work) -> None:
        kind, key = work
        if kind == CLAIM.kind:
            if claim := self._claims.objects.get(key):
                await self._sync_claim(claim)
        elif volume := self._volumes.objects.get(key):
            await self._sync_volume(volume)

    # Claims

    async def _sync_claim(self, claim: Obj) -> None:
        if is_leaving(claim):
            if not self._is_used(claim):
                await _let_go(self._api, CLAIM, claim, self._claims)
            return
        volume = self._volume_for(claim)
        if volume is not None:
            await self._bind(claim, volume)
        elif claim["spec"].get("volumeName"):
            await self._note(claim, {"phase": "Lost" if _is_bound(claim) else "Pending"})
        else:
            await self._ask_for_volume(claim)

    def _is_used(self, claim: Obj) -> bool:
        return any(not is_finished(pod) for pod in self._pods.by("claim", key_of(claim)))

    def _volume_for(self, claim: Obj) -> Obj | None:
        """Return the volume that names this claim, and was not made for an earlier one."""
        for volume in self._volumes.by("claim", key_of(claim)):
            uid = volume["spec"]["claimRef"].get("uid")
            if uid in (None, claim["metadata"]["uid"]) and not is_leaving(volume):
                return volume
        return None

    async def _bind(self, claim: Obj, volume: Obj) -> None:
        name, uid = volume["metadata"]["name"], claim["metadata"]["uid"]
        if volume["spec"]["claimRef"].get("uid") != uid:
            reference = {**volume["spec"]["claimRef"], "uid": uid}
            self._volumes.learn(
                await merge(self._api, PERSISTENT_VOLUME, volume, {"spec": {"claimRef": reference}})
            )
        if claim["spec"].get("volumeName") != name:
            change = {"metadata": {"annotations": _BOUND}, "spec": {"volumeName": name}}
            claim = await merge(self._api, CLAIM, claim, change)
            self._claims.learn(claim)
        spec = volume["spec"]
        bound = {
            "phase": "Bound",
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["capacity"]["storage"]},
        }
        if claim["status"].get("phase") != "Bound":
            await self._note(claim, bound)

    async def _note(self, claim: Obj, status: dict[str, Any]) -> None:
        if changed := await merge_status(self._api, CLAIM, claim, status):
            self._claims.learn(changed)

    async def _ask_for_volume(self, claim: Obj) -> None:
        """Ask the class's provisioner, once the scheduler has chosen a node if it must."""
        name = claim["spec"].get("storageClassName", "")
        found = self._classes.objects.get(("", name)) if name else None
        if found is None:
            if name:
                text = f'storageclass.storage.k8s.io "{name}" not found'
                self._events.record(CLAIM, claim, "ProvisioningFailed", text, warning=True)
            return
        notes = claim["metadata"].get("annotations") or {}
        if found.get("volumeBindingMode") == FIRST_CONSUMER and SELECTED_NODE not in notes:
            text = "waiting for first consumer to be created before binding"
            self._events.record(CLAIM, claim, FIRST_CONSUMER, text)
            return
        wanted = dict.fromkeys(PROVISIONERS, found["provisioner"])
        if not wanted.items() <= notes.items():
            changed = await merge(self._api, CLAIM, claim, {"metadata": {"annotations": wanted}})
            self._claims.learn(changed)
        text = (
            f"Waiting for a volume to be created either by the external provisioner "
            f"'{found['provisioner']}' or manually by the system administrator. If volume "
            "creation is delayed, please verify that the provisioner is running and correctly "
            "registered."
        )
        self._events.record(CLAIM, claim, "ExternalProvisioning", text)

    # Volumes

    async def _sync_volume(self, volume: Obj) -> None:
        phase = self._phase_of(volume)
        if is_leaving(volume) and phase != "Bound":
            await _let_go(self._api, PERSISTENT_VOLUME, volume, self._volumes)
            return
        if changed := await merge_status(self._api, PERSISTENT_VOLUME, volume, {"phase": phase}):
            self._volumes.learn(changed)

    def _phase_of(self, volume: Obj) -> str:
        reference = volume["spec"].get("claimRef")
        if not reference:
            return "Available"
        claim = self._claims.objects.get(_place_of(reference))
        if claim is not None and reference.get("uid") in (None, claim["metadata"]["uid"]):
            is_bound = claim["spec"].get("volumeName") == volume["metadata"]["name"]
            return "Bound" if is_bound else "Available"
        return "Released" if reference.get("uid") else "Available"


async def _let_go(api: Any, kind: Kind, obj: Obj, known: Informer) -> None:
    """Remove the finalizer that keeps an object in use."""
    finalizers = obj["metadata"].get("finalizers") or []
    if PROTECTIONS[kind] in finalizers:
        kept = [one for one in finalizers if one != PROTECTIONS[kind]]
        await merge(api, kind, obj, {"metadata": {"finalizers": kept}})


def _is_bound(claim: Obj) -> bool:
    return bool(claim["status"].get("phase") == "Bound")


def _claims_with_place(pod: Obj) -> list[Key]:
    if not pod:
        return []
    return [(pod["metadata"]["namespace"], name) for name in claims_of(pod)]


def _claim_of_volume(volume: Obj) -> list[Key]:
    reference = (volume.get("spec") or {}).get("claimRef")
    return [_place_of(reference)] if reference else []


def _place_of(reference: Obj) -> Key:
    return reference.get("namespace", ""), reference.get("name", "")

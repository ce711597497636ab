"""QingCloud's CSI driver with its sidecars: volumes for claims, attached to machines of pods."""

import asyncio
from collections.abc import Mapping
from typing import Any

from localcloud.kubernetes.client.informer import Obj, key_of
from localcloud.kubernetes.client.writes import delete, merge
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import (
    CLAIM,
    CSI_NODE,
    NODE,
    PERSISTENT_VOLUME,
    STORAGE_CLASS,
    VOLUME_ATTACHMENT,
    Kind,
)
from localcloud.kubernetes.objects.pods import parse_quantity
from localcloud.kubernetes.programs.cloud_api import CloudApi, Refused
from localcloud.kubernetes.programs.csi_node import DRIVER
from localcloud.kubernetes.programs.place import Broken, Place
from localcloud.kubernetes.programs.syncing import Controller

PROVISIONER = "volume.kubernetes.io/storage-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
VOLUME_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"
ATTACH_FINALIZER = "external-attacher/disk-csi-qingcloud-com"
GIB = 2**30
SMALLEST, STEP = 10, 10  # GiB, of every type of volume
NOT_FOUND = 2100


class CsiController(Controller):
    """Does what claims, volumes and VolumeAttachments ask of this driver."""

    def __init__(self, place: Place) -> None:
        self._driver = place.flag("drivername", DRIVER)
        super().__init__(place, self._driver)
        self._claims = self._informers.of(CLAIM)
        self._volumes = self._informers.of(PERSISTENT_VOLUME)
        self._classes = self._informers.of(STORAGE_CLASS)
        self._attachments = self._informers.of(VOLUME_ATTACHMENT)
        self._csi_nodes, self._nodes = self._informers.of(CSI_NODE), self._informers.of(NODE)
        self._cloud: CloudApi

    async def run(self) -> None:
        """Run until cancelled. Raises `Broken` for wrong settings or a wrong key."""
        settings = await self._place.read_settings(self._place.flag("config"))
        self._cloud = CloudApi(settings, self._place.clock)
        try:
            await self._cloud.call("DescribeZones")
        except Refused as error:
            raise Broken(f"Probe: {error}") from error
        watched = (self._claims, self._volumes, self._classes, self._attachments, self._csi_nodes)
        await self._run(watched, self._sync_all)

    async def _sync_all(self, group: asyncio.TaskGroup) -> None:
        todo = [
            *((CLAIM, one, self._provision) for one in self._claims.objects.values()),
            *((PERSISTENT_VOLUME, one, self._release) for one in self._volumes.objects.values()),
            *((VOLUME_ATTACHMENT, one, self._attach) for one in self._attachments.objects.values()),
        ]
        for kind, obj, work in todo:
            try:
                await work(obj)
            except (Refused, ApiFailure) as error:
                if isinstance(error, Refused):
                    self._complain(kind, obj, str(error))
                group.create_task(self._wake_later())

    def _complain(self, kind: Kind, obj: Obj, text: str) -> None:
        reason = {CLAIM: "ProvisioningFailed", PERSISTENT_VOLUME: "VolumeFailedDelete"}
        if kind in reason:
            self._events.record(kind, obj, reason[kind], text, warning=True)

    # Claims

    async def _provision(self, claim: Obj) -> None:
        meta, spec = claim["metadata"], claim["spec"]
        if spec.get("volumeName"):
            await self._grow(claim)
            return
        notes = meta.get("annotations") or {}
        found = self._classes.objects.get(("", spec.get("storageClassName", "")))
        if notes.get(PROVISIONER) != self._driver or meta.get("deletionTimestamp") or not found:
            return
        name = f"pvc-{meta['uid']}"
        if ("", name) in self._volumes.objects:
            return
        text = f'External provisioner is provisioning volume for claim "{"/".join(key_of(claim))}"'
        self._events.record(CLAIM, claim, "Provisioning", text)
        size = _size(spec["resources"]["requests"]["storage"])
        volume_id = await self._create(name, size, found.get("parameters") or {})
        body = self._volume(claim, found, name, volume_id, size, notes.get(SELECTED_NODE, ""))
        made = await self._api.request("POST", PERSISTENT_VOLUME.path(), body=body)
        self._volumes.learn(made)
        text = f"Successfully provisioned volume {name}"
        self._events.record(CLAIM, claim, "ProvisioningSucceeded", text)

    async def _create(self, name: str, size: int, parameters: Mapping[str, str]) -> str:
        found = await self._cloud.call("DescribeVolumes", search_word=name)
        for one in found["volume_set"]:
            if one["volume_name"] == name and one["status"] in ("available", "in-use"):
                return str(one["volume_id"])
        made = await self._cloud.done(
            "CreateVolumes",
            volume_name=name,
            volume_type=int(parameters.get("type", 0)),
            size=size,
            count=1,
            replica_count=int(parameters.get("replica", 2)),
        )
        return str(made["volumes"][0])

    def _volume(
        self, claim: Obj, storage_class: Obj, name: str, volume_id: str, size: int, node: str
    ) -> Obj:
        reference = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "name": claim["metadata"]["name"],
            "namespace": claim["metadata"]["namespace"],
            "uid": claim["metadata"]["uid"],
        }
        spec: Obj = {
            "accessModes": claim["spec"]["accessModes"],
            "capacity": {"storage": f"{size}Gi"},
            "claimRef": reference,
            "csi": {
                "driver": self._driver,
                "volumeHandle": volume_id,
                "fsType": (storage_class.get("parameters") or {}).get("fsType", "ext4"),
            },
            "persistentVolumeReclaimPolicy": storage_class["reclaimPolicy"],
            "storageClassName": storage_class["metadata"]["name"],
        }
        if terms := self._topology(node):
            spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": terms}}
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {
                "name": name,
                "annotations": {PROVISIONED_BY: self._driver},
                "finalizers": [VOLUME_FINALIZER],
            },
            "spec": spec,
        }

    def _topology(self, node: str) -> list[dict[str, Any]]:
        """Return where a volume can be attached: in the zone of the chosen node."""
        known = self._nodes.objects.get(("", node))
        key = f"topology.{self._driver}/zone"
        zone = (known["metadata"].get("labels") or {}).get(key) if known else None
        if not zone:
            return []
        return [{"matchExpressions": [{"key": key, "operator": "In", "values": [zone]}]}]

    async def _grow(self, claim: Obj) -> None:
        volume = self._volumes.objects.get(("", claim["spec"]["volumeName"]))
        if volume is None or (volume["spec"].get("csi") or {}).get("driver") != self._driver:
            return
        wanted = _size(claim["spec"]["resources"]["requests"]["storage"])
        if wanted > _size(volume["spec"]["capacity"]["storage"]):
            handle = volume["spec"]["csi"]["volumeHandle"]
            await self._cloud.done("ResizeVolumes", volumes=[handle], size=wanted)
            capacity = {"storage": f"{wanted}Gi"}
            grown = await merge(
                self._api, PERSISTENT_VOLUME, volume, {"spec": {"capacity": capacity}}
            )
            self._volumes.learn(grown)
            change = {"status": {"capacity": capacity}}
            self._claims.learn(await merge(self._api, CLAIM, claim, change, "status"))

    # Volumes

    async def _release(self, volume: Obj) -> None:
        """Delete the volume of a claim that is gone, unless it is to outlive it."""
        meta, spec = volume["metadata"], volume["spec"]
        if (meta.get("annotations") or {}).get(PROVISIONED_BY) != self._driver:
            return
        is_released = (volume.get("status") or {}).get("phase") == "Released"
        if not is_released or spec["persistentVolumeReclaimPolicy"] != "Delete":
            return
        if any(_is_of(one, volume) for one in self._attachments.objects.values()):
            return
        finalizers = meta.get("finalizers") or []
        if VOLUME_FINALIZER in finalizers:
            await self._delete(spec["csi"]["volumeHandle"])
        if not meta.get("deletionTimestamp"):
            await delete(self._api, PERSISTENT_VOLUME, volume)
        kept = [one for one in finalizers if one != VOLUME_FINALIZER]
        if kept != finalizers:
            change = {"metadata": {"finalizers": kept}}
            await merge(self._api, PERSISTENT_VOLUME, volume, change)

    async def _delete(self, volume_id: str) -> None:
        found = await self._cloud.call("DescribeVolumes", volumes=[volume_id])
        if any(one["status"] in ("available", "in-use") for one in found["volume_set"]):
            await self._cloud.done("DeleteVolumes", volumes=[volume_id])

    # Attachments

    async def _attach(self, attachment: Obj) -> None:
        meta, spec = attachment["metadata"], attachment["spec"]
        volume = self._volumes.objects.get(("", spec["source"].get("persistentVolumeName", "")))
        if spec["attacher"] != self._driver or volume is None:
            return
        handle, finalizers = volume["spec"]["csi"]["volumeHandle"], meta.get("finalizers") or []
        if meta.get("deletionTimestamp"):
            if ATTACH_FINALIZER in finalizers:
                await self._detach(handle)
                kept = [one for one in finalizers if one != ATTACH_FINALIZER]
                change = {"metadata": {"finalizers": kept}}
                await merge(self._api, VOLUME_ATTACHMENT, attachment, change)
            return
        instance = self._instance_of(spec["nodeName"])
        if (attachment.get("status") or {}).get("attached") or not instance:
            return
        if ATTACH_FINALIZER not in finalizers:
            change = {"metadata": {"finalizers": [*finalizers, ATTACH_FINALIZER]}}
            attachment = await merge(self._api, VOLUME_ATTACHMENT, attachment, change)
        if await self._user_of(handle) != instance:
            await self._cloud.done("AttachVolumes", volumes=[handle], instance=instance)
        attached = {"status": {"attached": True}}
        await merge(self._api, VOLUME_ATTACHMENT, attachment, attached, "status")

    async def _detach(self, volume_id: str) -> None:
        if user := await self._user_of(volume_id):
            try:
                await self._cloud.done("DetachVolumes", volumes=[volume_id], instance=user)
            except Refused as error:
                if error.code != NOT_FOUND:  # its machine is gone, and with it the attachment
                    raise

    async def _user_of(self, volume_id: str) -> str:
        """Return the instance that a volume is attached to, or nothing."""
        found = await self._cloud.call("DescribeVolumes", volumes=[volume_id])
        return "".join(one["instance"]["instance_id"] for one in found["volume_set"][:1])

    def _instance_of(self, node: str) -> str:
        found = self._csi_nodes.objects.get(("", node))
        for one in (found["spec"].get("drivers") or ()) if found else ():
            if one["name"] == self._driver:
                return str(one["nodeID"])
        return ""


def _is_of(attachment: Obj, volume: Obj) -> bool:
    source = attachment["spec"]["source"].get("persistentVolumeName")
    return bool(source == volume["metadata"]["name"])


def _size(quantity: str) -> int:
    """Return the smallest size in GiB of a volume that holds a quantity."""
    gib = -(-int(parse_quantity(quantity)) // GIB)
    return max(SMALLEST, -(-gib // STEP) * STEP)

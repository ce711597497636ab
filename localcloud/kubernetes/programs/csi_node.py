"""The part of QingCloud's CSI driver on each node: it tells the kubelet which machine this is."""

import asyncio
from typing import Any

from localcloud.kubernetes.client.writes import MERGE
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import CSI_NODE, NODE
from localcloud.kubernetes.programs.cloud_api import CloudApi, Refused
from localcloud.kubernetes.programs.place import Broken, Place

INSTANCE_FILE = "/etc/qingcloud/instance-id"
CLASSES = {0: "HighPerformance", 1: "SuperHighPerformance", 101: "Standard", 201: "Enterprise"}
"""The classes of machines that the driver knows by a name; any other ends it."""
DRIVER = "disk.csi.qingcloud.com"


class CsiNode:
    """Registers the driver with the kubelet, and waits."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def run(self) -> None:
        """Run until cancelled. Raises `Broken` for wrong settings, key or machine."""
        settings = await self._place.read_settings(self._place.flag("config"))
        cloud = CloudApi(settings, self._place.clock)
        try:
            instance = (await self._place.read(INSTANCE_FILE)).strip()
        except Broken:
            instance = self._place.flag("nodeid")
        try:
            found = await cloud.call(
                "DescribeInstances", instances=[instance], verbose=1, is_cluster_node=1
            )
        except Refused as error:
            raise Broken(f"NodeGetInfo: {error}") from error
        if not found["instance_set"]:
            raise Broken(f"NodeGetInfo: instance {instance} not found")
        kind = found["instance_set"][0].get("instance_class", 0)
        if kind not in CLASSES:
            raise Broken(f"NodeGetInfo: unsupported instance class {kind}")
        await self._register(instance, {"zone": cloud.zone, "instance-type": CLASSES[kind]})
        await asyncio.Event().wait()

    async def _register(self, instance: str, topology: dict[str, str]) -> None:
        """Do what the kubelet does with the driver's answer."""
        name, driver = self._place.node, self._place.flag("drivername", DRIVER)
        labels = {f"topology.{DRIVER}/{key}": value for key, value in topology.items()}
        entry = {
            "name": driver,
            "nodeID": instance,
            "topologyKeys": sorted(labels),
            "allocatable": {"count": int(self._place.flag("maxvolume", "10"))},
        }
        node = await self._place.kubelet.request("GET", NODE.path("", name))
        uid = node["metadata"]["uid"]
        owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
        body: dict[str, Any] = {
            "apiVersion": CSI_NODE.api_version,
            "kind": CSI_NODE.kind,
            "metadata": {"name": name, "ownerReferences": [owner]},
            "spec": {"drivers": [entry]},
        }
        try:
            await self._place.kubelet.request("POST", CSI_NODE.path(), body=body)
        except ApiFailure as failure:
            if failure.reason != "AlreadyExists":
                raise
            path = CSI_NODE.path("", name)
            known = await self._place.kubelet.request("GET", path)
            others = [one for one in known["spec"]["drivers"] if one["name"] != driver]
            change = {"spec": {"drivers": [*others, entry]}}
            await self._place.kubelet.request("PATCH", path, body=change, content_type=MERGE)
        labelled = {"metadata": {"labels": labels}}
        path = NODE.path("", name)
        await self._place.kubelet.request("PATCH", path, body=labelled, content_type=MERGE)

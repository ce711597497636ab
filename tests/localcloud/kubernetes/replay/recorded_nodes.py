"""The kubelets of the recording: two nodes for 40 pods, with few writes."""

import asyncio
from itertools import count
from typing import Any

from localcloud.clock import Clock, stamp
from localcloud.kubernetes.client import ApiClient
from localcloud.kubernetes.client.writes import MERGE, STRATEGIC
from localcloud.kubernetes.objects.kinds import LEASE, NODE, POD

VERSION = "v1.36.2"
NODES = ("192.168.100.3", "192.168.100.5")

_hosts = count(2)


class RecordedNode:
    """Registers a node, and writes pod statuses as the recorded kubelets did."""

    def __init__(self, api: ApiClient, clock: Clock, name: str) -> None:
        self._api = api
        self._clock = clock
        self._name = name

    async def register(self) -> None:
        labels = {
            "beta.kubernetes.io/arch": "amd64",
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": self._name,
            "kubernetes.io/os": "linux",
        }
        node = {"metadata": {"name": self._name, "labels": labels}}
        await self._api.request("POST", NODE.path(), body=node)
        status = {"status": self._node_status()}
        path = NODE.path("", self._name, "status")
        await self._api.request("PATCH", path, body=status, content_type=STRATEGIC)
        lease = {
            "metadata": {"name": self._name},
            "spec": {"holderIdentity": self._name, "leaseDurationSeconds": 40},
        }
        await self._api.request("POST", LEASE.path("kube-node-lease"), body=lease)

    async def keep_alive(self) -> None:
        while True:
            renewed = {"spec": {"renewTime": self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")}}
            path = LEASE.path("kube-node-lease", self._name)
            await self._api.request("PATCH", path, body=renewed, content_type=MERGE)
            await self._clock.sleep(10)

    async def run_pods(self) -> None:
        mine = {"fieldSelector": f"spec.nodeName={self._name}"}
        async for change, pod in self._api.watch(POD.path(), query=mine):
            if change in ("SYNCED", "DELETED"):
                continue
            if pod["metadata"].get("deletionTimestamp"):
                await self._end(pod)
            elif pod["status"]["phase"] == "Pending":
                await self._begin(pod)

    async def _begin(self, pod: dict[str, Any]) -> None:
        meta = pod["metadata"]
        body = {"metadata": {"uid": meta["uid"]}, "status": self._pod_status(pod)}
        path = POD.path(meta["namespace"], meta["name"], "status")
        await self._api.request("PATCH", path, body=body, content_type=STRATEGIC)

    async def _end(self, pod: dict[str, Any]) -> None:
        meta = pod["metadata"]
        if meta.get("deletionGracePeriodSeconds"):
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
            path = POD.path(meta["namespace"], meta["name"])
            await self._api.request("DELETE", path, body=options)

    def _node_status(self) -> dict[str, Any]:
        now = stamp(self._clock.now())
        room = {"cpu": "8", "ephemeral-storage": "100Gi", "memory": "16Gi", "pods": "40"}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ok"}
        return {
            "addresses": [
                {"type": "InternalIP", "address": self._name},
                {"type": "Hostname", "address": self._name},
            ],
            "allocatable": room,
            "capacity": room,
            "conditions": [{**ready, "lastHeartbeatTime": now, "lastTransitionTime": now}],
            "nodeInfo": {
                "architecture": "amd64",
                "containerRuntimeVersion": "containerd://2",
                "kernelVersion": "6",
                "kubeletVersion": VERSION,
                "operatingSystem": "linux",
                "osImage": "Sim",
            },
        }

    def _pod_status(self, pod: dict[str, Any]) -> dict[str, Any]:
        now = stamp(self._clock.now())
        address = f"10.244.0.{next(_hosts) % 250}"
        names = ("Initialized", "Ready", "ContainersReady")
        return {
            "phase": "Running",
            "hostIP": self._name,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": now,
            "conditions": [
                {"type": name, "status": "True", "lastTransitionTime": now} for name in names
            ],
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": container["image"],
                    "lastState": {},
                    "ready": True,
                    "started": True,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": now}},
                }
                for container in pod["spec"]["containers"]
            ],
        }


async def start_nodes(
    group: asyncio.TaskGroup, api: ApiClient, clock: Clock
) -> list[asyncio.Task[None]]:
    """Register the two nodes, and return their tasks, to be cancelled."""
    nodes = [RecordedNode(api, clock, name) for name in NODES]
    for node in nodes:
        await node.register()
    works = [work for node in nodes for work in (node.keep_alive(), node.run_pods())]
    return [group.create_task(work) for work in works]

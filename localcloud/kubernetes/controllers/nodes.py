"""Nodes: their pod networks, heartbeats, taints, and the readiness of their pods."""

import asyncio
import ipaddress
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from localcloud.clock import stamp
from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.client.writes import merge, strategic_status
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.kinds import LEASE, NODE, POD
from localcloud.kubernetes.objects.pods import find_condition, is_finished, is_ready

NAME = "node-controller"

GRACE = 40.0  # seconds without a heartbeat until a node counts as unreachable
TTL = "node.alpha.kubernetes.io/ttl"
"""The annotation for the TTL of Secrets in kubelets; 0 up to a hundred nodes."""

LOOK_EVERY = 5.0  # seconds between checks of all heartbeats

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OURS = {NOT_READY, UNREACHABLE, UNSCHEDULABLE}

SILENT = {
    "status": "Unknown",
    "reason": "NodeStatusUnknown",
    "message": "Kubelet stopped posting node status.",
}

log = logging.getLogger(__name__)


class NodeController:
    """Allocates pod networks to nodes, and taints those that are not ready or unreachable."""

    def __init__(self, context: Context, pod_cidr: str, mask: int) -> None:
        self._api = context.api
        self._clock = context.clock
        self._nodes = context.informers.of(NODE)
        self._pods = context.informers.of(POD)
        self._pods.index("node", lambda pod: [pod["spec"].get("nodeName", "")])
        self._pool = PodNetworks(pod_cidr, mask)
        self._seen: dict[str, datetime] = {}
        self._queue = WorkQueue[str](NAME, self._sync, context.clock)
        self._events = context.recorder(NAME)
        self._nodes.on_change(self._node_changed)
        context.informers.of(LEASE).on_change(self._lease_changed)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.run())
            group.create_task(self._events.run())
            group.create_task(self._monitor_heartbeats())

    def _node_changed(self, before: Obj | None, after: Obj | None) -> None:
        name = (after or before or {})["metadata"]["name"]
        if after is None:
            self._seen.pop(name, None)
            self._pool.give_back(name)
            message = f"Node {name} event: Removing Node {name} from Controller"
            self._events.record(NODE, before or {}, "RemovingNode", message)
            return
        self._pool.note(name, after["spec"].get("podCIDR") if after.get("spec") else None)
        if before is None:
            self._seen[name] = self._clock.now()
            message = f"Node {name} event: Registered Node {name} in Controller"
            self._events.record(NODE, after, "RegisteredNode", message)
        elif _heartbeats(before) != _heartbeats(after) and not _is_unreachable(after):
            self._seen[name] = self._clock.now()
        self._queue.add(name)

    def _lease_changed(self, before: Obj | None, after: Obj | None) -> None:
        """Count a renewed lease as a heartbeat at the time of its arrival."""
        if after is None or after["metadata"]["namespace"] != "kube-node-lease":
            return
        renewed = (after.get("spec") or {}).get("renewTime")
        if before is not None and renewed == (before.get("spec") or {}).get("renewTime"):
            return
        name = after["metadata"]["name"]
        if ("", name) in self._nodes.objects:
            self._seen[name] = self._clock.now()

    async def _monitor_heartbeats(self) -> None:
        while True:
            await self._clock.sleep(LOOK_EVERY)
            now = self._clock.now()
            for name, moment in self._seen.items():
                node = self._nodes.objects.get(("", name))
                is_late = (now - moment).total_seconds() > GRACE
                if node is not None and is_late and not _is_unreachable(node):
                    self._queue.add(name)

    async def _sync(self, name: str) -> None:
        node = self._nodes.objects.get(("", name))
        if node is None:
            return
        if not (node.get("spec") or {}).get("podCIDR"):
            node = await self._give_network(node)
        if TTL not in (node["metadata"].get("annotations") or {}):
            node = await merge(self._api, NODE, node, {"metadata": {"annotations": {TTL: "0"}}})
            self._nodes.learn(node)
        is_late = (self._clock.now() - self._seen[name]).total_seconds() > GRACE
        if is_late and not _is_unreachable(node):
            node = await self._mark_unreachable(node)
        node = await self._taint(node)
        if not _is_node_ready(node):
            await self._mark_pods_unready(name)

    async def _give_network(self, node: Obj) -> Obj:
        cidr = self._pool.take(node["metadata"]["name"])
        if cidr is None:
            message = "Node has no pod network: all of them are taken"
            self._events.record(NODE, node, "CIDRNotAvailable", message, warning=True)
            return node
        change = {"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}
        changed = await merge(self._api, NODE, node, change)
        self._nodes.learn(changed)
        return changed

    async def _mark_unreachable(self, node: Obj) -> Obj:
        now = stamp(self._clock.now())
        conditions = [
            {**SILENT, "type": kind, "lastTransitionTime": now}
            for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
        ]
        changed = await strategic_status(self._api, NODE, node, {"conditions": conditions})
        self._nodes.learn(changed)
        name = node["metadata"]["name"]
        log.info("node %s is unreachable", name)
        message = f"Node {name} status is now: NodeNotReady"
        self._events.record(NODE, node, "NodeNotReady", message)
        return changed

    async def _taint(self, node: Obj) -> Obj:
        """Update the condition taints of a node."""
        spec = node.get("spec") or {}
        present = list(spec.get("taints") or ())
        wanted = _wanted_taints(node)
        kept = [
            taint
            for taint in present
            if taint["key"] not in OURS or (taint["key"], taint["effect"]) in wanted
        ]
        have = {(taint["key"], taint["effect"]) for taint in kept}
        now = stamp(self._clock.now())
        fresh = [
            {"key": key, "effect": effect, "timeAdded": now}
            for key, effect in wanted
            if (key, effect) not in have
        ]
        if not fresh and len(kept) == len(present):
            return node
        # The version protects taints that another client sets at this moment.
        change = {
            "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
            "spec": {"taints": [*kept, *fresh] or None},
        }
        changed = await merge(self._api, NODE, node, change)
        self._nodes.learn(changed)
        return changed

    async def _mark_pods_unready(self, name: str) -> None:
        """Mark the pods of a node that is not ready as unready, so that Services skip them."""
        condition = {
            "type": "Ready",
            "status": "False",
            "lastTransitionTime": stamp(self._clock.now()),
        }
        for pod in list(self._pods.by("node", name)):
            if is_ready(pod) and not is_finished(pod) and not _has_own_network(pod):
                changed = await strategic_status(self._api, POD, pod, {"conditions": [condition]})
                self._pods.learn(changed)
                await asyncio.sleep(0)


class PodNetworks:
    """The subnets of the pod network, and their nodes."""

    def __init__(self, cidr: str, mask: int) -> None:
        self._parts: Iterator[Any] = ipaddress.ip_network(cidr).subnets(new_prefix=mask)
        self._returned: list[str] = []
        self._taken: dict[str, str] = {}

    def note(self, node: str, cidr: str | None) -> None:
        """Record the subnet of a node that has one."""
        if cidr:
            self._taken[node] = cidr

    def give_back(self, node: str) -> None:
        """Release the subnet of a deleted node."""
        cidr = self._taken.pop(node, None)
        if cidr is not None:
            self._returned.append(cidr)

    def take(self, node: str) -> str | None:
        """Allocate a subnet to a node; return None when none is left."""
        used = set(self._taken.values())
        for cidr in map(str, self._parts):
            if cidr not in used:
                self._taken[node] = cidr
                return cidr
        # Released subnets come last, so that a new node does not reuse recent addresses.
        while self._returned:
            cidr = self._returned.pop(0)
            if cidr not in used:
                self._taken[node] = cidr
                return cidr
        return None


def _has_own_network(pod: Obj) -> bool:
    """Return whether a pod uses its node's network, as the node's own services do."""
    annotations = pod["metadata"].get("annotations") or {}
    return "kubernetes.io/config.mirror" in annotations


def _heartbeats(node: Obj) -> list[str | None]:
    conditions = node.get("status", {}).get("conditions") or ()
    return [condition.get("lastHeartbeatTime") for condition in conditions]


def _is_unreachable(node: Obj) -> bool:
    ready = find_condition(node, "Ready")
    return ready is not None and ready.get("status") == "Unknown"


def _is_node_ready(node: Obj) -> bool:
    ready = find_condition(node, "Ready")
    return ready is not None and ready.get("status") == "True"


def _wanted_taints(node: Obj) -> list[tuple[str, str]]:
    wanted = []
    if (node.get("spec") or {}).get("unschedulable"):
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    if _is_unreachable(node):
        wanted += [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]
    elif not _is_node_ready(node):
        wanted += [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]
    return wanted

"""Nodes: their part of the pod network, whether they still live, and what happens to their pods."""

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

GRACE = 40.0  # seconds without a sign of life until a node counts as unreachable
TTL = "node.alpha.kubernetes.io/ttl"
"""Says how long kubelets may keep Secrets; 0 in clusters of up to a hundred nodes."""

LOOK_EVERY = 5.0  # seconds between looks at all signs of life

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
    """Gives nodes their pod networks, and taints those that are not ready or silent."""

    def __init__(self, context: Context, pod_cidr: str, mask: int) -> None:
        self._api = context.api
        self._clock = context.clock
        self._nodes = context.informers.of(NODE)
        self._pods = context.informers.of(POD)
        self._pods.index("node", lambda pod: [pod["spec"].get("nodeName", "")])
        self._pool = PodNetworks(pod_cidr, mask)
        self._alive: dict[str, datetime] = {}
        self._queue = WorkQueue[str](NAME, self._sync, context.clock)
        self._events = context.recorder(NAME)
        self._nodes.on_change(self._node_changed)
        context.informers.of(LEASE).on_change(self._lease_changed)

    async def run(self) -> None:
        """Work for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.run())
            group.create_task(self._events.run())
            group.create_task(self._look_for_silence())

    def _node_changed(self, before: Obj | None, after: Obj | None) -> None:
        name = (after or before or {})["metadata"]["name"]
        if after is None:
            self._alive.pop(name, None)
            self._pool.give_back(name)
            told = f"Node {name} event: Removing Node {name} from Controller"
            self._events.record(NODE, before or {}, "RemovingNode", told)
            return
        self._pool.note(name, after["spec"].get("podCIDR") if after.get("spec") else None)
        if before is None:
            self._alive[name] = self._clock.now()
            told = f"Node {name} event: Registered Node {name} in Controller"
            self._events.record(NODE, after, "RegisteredNode", told)
        elif _heartbeats(before) != _heartbeats(after) and not _is_silent(after):
            self._alive[name] = self._clock.now()
        self._queue.add(name)

    def _lease_changed(self, before: Obj | None, after: Obj | None) -> None:
        """Count a renewed lease as a sign of life from the moment that we see it."""
        if after is None or after["metadata"]["namespace"] != "kube-node-lease":
            return
        renewed = (after.get("spec") or {}).get("renewTime")
        if before is not None and renewed == (before.get("spec") or {}).get("renewTime"):
            return
        name = after["metadata"]["name"]
        if ("", name) in self._nodes.objects:
            self._alive[name] = self._clock.now()

    async def _look_for_silence(self) -> None:
        while True:
            await self._clock.sleep(LOOK_EVERY)
            now = self._clock.now()
            for name, moment in self._alive.items():
                node = self._nodes.objects.get(("", name))
                silent = (now - moment).total_seconds() > GRACE
                if node is not None and silent and not _is_silent(node):
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
        silent = (self._clock.now() - self._alive[name]).total_seconds() > GRACE
        if silent and not _is_silent(node):
            node = await self._declare_silent(node)
        node = await self._taint(node)
        if not _is_node_ready(node):
            await self._mark_pods_unready(name)

    async def _give_network(self, node: Obj) -> Obj:
        cidr = self._pool.take(node["metadata"]["name"])
        if cidr is None:
            told = "Node has no pod network: all of them are taken"
            self._events.record(NODE, node, "CIDRNotAvailable", told, warning=True)
            return node
        change = {"spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}
        changed = await merge(self._api, NODE, node, change)
        self._nodes.learn(changed)
        return changed

    async def _declare_silent(self, node: Obj) -> Obj:
        now = stamp(self._clock.now())
        conditions = [
            {**SILENT, "type": kind, "lastTransitionTime": now}
            for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
        ]
        changed = await strategic_status(self._api, NODE, node, {"conditions": conditions})
        self._nodes.learn(changed)
        name = node["metadata"]["name"]
        log.info("node %s is silent", name)
        told = f"Node {name} status is now: NodeNotReady"
        self._events.record(NODE, node, "NodeNotReady", told)
        return changed

    async def _taint(self, node: Obj) -> Obj:
        """Bring the taints that say how a node is in line with its conditions."""
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
        # The version guards against a taint that somebody else sets at this moment.
        change = {
            "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
            "spec": {"taints": [*kept, *fresh] or None},
        }
        changed = await merge(self._api, NODE, node, change)
        self._nodes.learn(changed)
        return changed

    async def _mark_pods_unready(self, name: str) -> None:
        """Take the pods of a node that is not ready out of their Services."""
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
    """The parts of the pod network, and which node has which."""

    def __init__(self, cidr: str, mask: int) -> None:
        self._parts: Iterator[Any] = ipaddress.ip_network(cidr).subnets(new_prefix=mask)
        self._returned: list[str] = []
        self._taken: dict[str, str] = {}

    def note(self, node: str, cidr: str | None) -> None:
        """Remember a part that a node has already."""
        if cidr:
            self._taken[node] = cidr

    def give_back(self, node: str) -> None:
        """Free the part of a node that is gone."""
        cidr = self._taken.pop(node, None)
        if cidr is not None:
            self._returned.append(cidr)

    def take(self, node: str) -> str | None:
        """Return a free part for a node; None when there is none left."""
        used = set(self._taken.values())
        for cidr in map(str, self._parts):
            if cidr not in used:
                self._taken[node] = cidr
                return cidr
        # Returned parts come last, so that a new node does not meet a dead one's addresses.
        while self._returned:
            cidr = self._returned.pop(0)
            if cidr not in used:
                self._taken[node] = cidr
                return cidr
        return None


def _has_own_network(pod: Obj) -> bool:
    """Say whether a pod shares its node's network and life, as the node's own services do."""
    annotations = pod["metadata"].get("annotations") or {}
    return "kubernetes.io/config.mirror" in annotations


def _heartbeats(node: Obj) -> list[str | None]:
    conditions = node.get("status", {}).get("conditions") or ()
    return [condition.get("lastHeartbeatTime") for condition in conditions]


def _is_silent(node: Obj) -> bool:
    ready = find_condition(node, "Ready")
    return ready is not None and ready["status"] == "Unknown"


def _is_node_ready(node: Obj) -> bool:
    ready = find_condition(node, "Ready")
    return ready is not None and ready["status"] == "True"


def _wanted_taints(node: Obj) -> list[tuple[str, str]]:
    wanted = []
    if (node.get("spec") or {}).get("unschedulable"):
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    if _is_silent(node):
        wanted += [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]
    elif not _is_node_ready(node):
        wanted += [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]
    return wanted

"""DaemonSets: one pod on each matching node."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from localcloud.kubernetes.client.informer import Key, Obj, key_of
from localcloud.kubernetes.client.writes import delete, merge_status
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.placement import selects_node, untolerated
from localcloud.kubernetes.controllers.replication import as_leaving, pod_from_template
from localcloud.kubernetes.controllers.revisions import template_hash
from localcloud.kubernetes.controllers.rollout import resolve
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.kinds import DAEMON_SET, NODE, POD
from localcloud.kubernetes.objects.pods import (
    REQUIRED,
    controller_of,
    controller_uid,
    is_finished,
    is_leaving,
    is_ready,
)

NAME = "daemonset-controller"
HASH_LABEL = "controller-revision-hash"
GENERATION_LABEL = "pod-template-generation"

FAILED_AGAIN = 10.0  # seconds before a pod that failed on a node is replaced there

PAUSE_PER_NODE = 0.0005  # seconds
LONGEST_REST = 0.5

TOLERATIONS: tuple[Mapping[str, str], ...] = tuple(
    {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect}
    for name, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
)
"""The tolerations that upstream adds to the pods of every DaemonSet."""

HOST_NETWORK_TOLERATION: Mapping[str, str] = {
    "key": "node.kubernetes.io/network-unavailable",
    "operator": "Exists",
    "effect": "NoSchedule",
}


class DaemonSetController:
    """Keeps one pod of each DaemonSet on each matching node."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._daemon_sets = context.informers.of(DAEMON_SET)
        self._nodes = context.informers.of(NODE)
        self._pods = context.informers.of(POD)
        self._pods.index("controller", lambda pod: [controller_uid(pod)])
        self._queue = WorkQueue[Key](NAME, self._sync, context.clock, self._pause)
        self._events = context.recorder(NAME)
        self._daemon_sets.on_change(
            lambda before, after: self._queue.add(key_of(after or before or {}))
        )
        self._nodes.on_change(self._node_changed)
        self._pods.on_change(self._pod_changed)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.run())
            group.create_task(self._events.run())

    def _pause(self, key: Key) -> float:
        """Pause between syncs in a large cluster, because each reads all nodes."""
        return min(len(self._nodes.objects) * PAUSE_PER_NODE, LONGEST_REST)

    def _node_changed(self, before: Obj | None, after: Obj | None) -> None:
        if before is not None and after is not None and _suiting(before) == _suiting(after):
            return
        for key in self._daemon_sets.objects:
            self._queue.add(key)

    def _pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        pod = after or before or {}
        owner = controller_of(pod)
        if owner is not None and owner["kind"] == DAEMON_SET.kind:
            self._queue.add((pod["metadata"]["namespace"], owner["name"]))

    async def _sync(self, key: Key) -> None:
        daemon_set = self._daemon_sets.objects.get(key)
        if daemon_set is None or is_leaving(daemon_set):
            return
        template = wanted_template(daemon_set)
        placed = self._placed(daemon_set)
        nodes = list(self._nodes.objects.values())
        for node in nodes:
            name = node["metadata"]["name"]
            here = placed.get(name, [])
            if suits(template["spec"], node):
                await self._ensure_one(daemon_set, template, name, here)
            elif not may_stay(template["spec"], node):
                await self._remove(daemon_set, [pod for pod in here if not is_leaving(pod)])
            await asyncio.sleep(0)
        await self._replace_outdated(daemon_set, template, nodes)
        await self._report(daemon_set, template, nodes)

    def _placed(self, daemon_set: Obj) -> dict[str, list[Obj]]:
        """Return the DaemonSet's pods by their node, bound or intended."""
        placed: dict[str, list[Obj]] = defaultdict(list)
        for pod in self._pods.by("controller", daemon_set["metadata"]["uid"]):
            placed[pod["spec"].get("nodeName") or _meant_for(pod)].append(pod)
        return placed

    async def _ensure_one(self, daemon_set: Obj, template: Obj, node: str, here: list[Obj]) -> None:
        failed = [pod for pod in here if is_finished(pod) and not is_leaving(pod)]
        if failed:
            await self._remove(daemon_set, failed)
            self._queue.add_after(key_of(daemon_set), FAILED_AGAIN)
            return
        if here:  # a leaving pod keeps its place until it is gone
            present = [pod for pod in here if not is_leaving(pod)]
            present.sort(key=lambda pod: pod["metadata"]["creationTimestamp"])
            await self._remove(daemon_set, present[1:])
            return
        wanted = {**daemon_set, "spec": {**daemon_set["spec"], "template": template}}
        body = pod_from_template(DAEMON_SET, wanted)
        body["spec"] = for_node(template["spec"], node)
        path = POD.path(daemon_set["metadata"]["namespace"])
        pod = await self._api.request("POST", path, body=body)
        self._pods.learn(pod)
        message = f"Created pod: {pod['metadata']['name']}"
        self._events.record(DAEMON_SET, daemon_set, "SuccessfulCreate", message)

    async def _remove(self, daemon_set: Obj, pods: list[Obj]) -> None:
        for pod in pods:
            answer = await delete(self._api, POD, pod)
            self._pods.learn(as_leaving(answer if answer.get("kind") == "Pod" else pod))
            message = f"Deleted pod: {pod['metadata']['name']}"
            self._events.record(DAEMON_SET, daemon_set, "SuccessfulDelete", message)

    async def _replace_outdated(self, daemon_set: Obj, template: Obj, nodes: list[Obj]) -> None:
        """Delete pods of an older template, as many as may be unavailable at once."""
        strategy = daemon_set["spec"].get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return
        wanted = [node for node in nodes if suits(template["spec"], node)]
        limit = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
        allowed = max(resolve(limit, len(wanted), up=True), 1)
        placed = self._placed(daemon_set)
        outdated = []
        for node in wanted:
            here = placed.get(node["metadata"]["name"], [])
            ready = [pod for pod in here if is_ready(pod) and not is_leaving(pod)]
            allowed -= not ready
            outdated += [pod for pod in here if not is_leaving(pod) and not _is_of(pod, template)]
        # Pods that are not ready are deleted first, without a loss of availability.
        idle = [pod for pod in outdated if not is_ready(pod)]
        serving = [pod for pod in outdated if is_ready(pod)]
        await self._remove(daemon_set, idle + serving[: max(allowed, 0)])

    async def _report(self, daemon_set: Obj, template: Obj, nodes: list[Obj]) -> None:
        placed = self._placed(daemon_set)
        wanted = [node for node in nodes if suits(template["spec"], node)]
        names = {node["metadata"]["name"] for node in wanted}
        present = {
            name: [pod for pod in pods if not is_leaving(pod)] for name, pods in placed.items()
        }
        scheduled = [pods[0] for name in names if (pods := present.get(name))]
        ready = sum(map(is_ready, scheduled))
        updated = sum(1 for pod in scheduled if _is_of(pod, template))
        status: dict[str, Any] = {
            "desiredNumberScheduled": len(wanted),
            "currentNumberScheduled": len(scheduled),
            "numberMisscheduled": sum(
                1 for name, pods in present.items() if pods and name not in names
            ),
            "numberReady": ready,
            "updatedNumberScheduled": updated or None,
            "numberAvailable": ready or None,
            "numberUnavailable": len(wanted) - ready or None,
            "observedGeneration": daemon_set["metadata"].get("generation"),
        }
        changed = await merge_status(self._api, DAEMON_SET, daemon_set, status)
        if changed is not None:
            self._daemon_sets.learn(changed)


def wanted_template(daemon_set: Obj) -> Obj:
    """Return the pod template with the labels and tolerations that its pods get."""
    template = daemon_set["spec"]["template"]
    described = template.get("metadata") or {}
    labels = {
        **(described.get("labels") or {}),
        HASH_LABEL: template_hash(template),
        GENERATION_LABEL: str(daemon_set["metadata"].get("generation", 1)),
    }
    spec = template["spec"]
    added = [*TOLERATIONS, *([HOST_NETWORK_TOLERATION] if spec.get("hostNetwork") else ())]
    tolerations = list(spec.get("tolerations") or ())
    tolerations += [dict(one) for one in added if one not in tolerations]
    return {
        **template,
        "metadata": {**described, "labels": labels},
        "spec": {**spec, "tolerations": tolerations},
    }


def suits(pod_spec: Obj, node: Obj) -> bool:
    """Return whether a DaemonSet has a pod on a node."""
    taints = (node.get("spec") or {}).get("taints") or ()
    return selects_node(pod_spec, node) and not untolerated(taints, pod_spec["tolerations"])


def may_stay(pod_spec: Obj, node: Obj) -> bool:
    """Return whether a pod that is on a node already may stay: only NoExecute taints evict it."""
    taints = [
        taint
        for taint in (node.get("spec") or {}).get("taints") or ()
        if taint["effect"] == "NoExecute"
    ]
    return selects_node(pod_spec, node) and not untolerated(taints, pod_spec["tolerations"])


def for_node(pod_spec: Obj, node: str) -> Obj:
    """Return a pod's spec with an affinity to one node, for the scheduler."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = dict(pod_spec.get("affinity") or {})
    node_affinity = dict(affinity.get("nodeAffinity") or {})
    required = node_affinity.get(REQUIRED) or {}
    terms = [{**one, **term} for one in required.get("nodeSelectorTerms") or ()] or [term]
    node_affinity[REQUIRED] = {"nodeSelectorTerms": terms}
    return {**pod_spec, "affinity": {**affinity, "nodeAffinity": node_affinity}}


def _meant_for(pod: Obj) -> str:
    """Return the node that a pending DaemonSet pod was created for."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get(REQUIRED) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for one in term.get("matchFields") or ():
            if one["key"] == "metadata.name":
                return str(one["values"][0])
    return ""


def _is_of(pod: Obj, template: Obj) -> bool:
    labels = pod["metadata"].get("labels") or {}
    wanted: str = template["metadata"]["labels"][HASH_LABEL]
    return labels.get(HASH_LABEL) == wanted


def _suiting(node: Obj) -> tuple[Any, Any]:
    return node["metadata"].get("labels"), (node.get("spec") or {}).get("taints")

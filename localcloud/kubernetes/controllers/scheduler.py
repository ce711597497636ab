"""The scheduler: binds each pending pod to the feasible node with the fewest pods.

Pods with equal requirements are placed together: their feasible nodes are computed once and kept
until a node changes or a pod leaves, so that thousands of pods need one pass over the nodes.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.clock import stamp
from localcloud.kubernetes.client.informer import Key, Obj, key_of
from localcloud.kubernetes.client.writes import delete, strategic_status
from localcloud.kubernetes.controllers.candidates import EquivalenceClass, survey
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.placement import (
    AWAITED,
    NodeRoom,
    claim_problem,
    format_claim_problem,
    format_refusals,
    same_for_pods,
)
from localcloud.kubernetes.controllers.pod_affinity import PodAffinity, has_pod_affinity
from localcloud.kubernetes.controllers.preemption import Preemption, Preemptor, priority_of
from localcloud.kubernetes.controllers.storage import Storage
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import NAMESPACE, NODE, POD, POD_DISRUPTION_BUDGET
from localcloud.kubernetes.objects.pods import Demand, demand_of, is_finished, is_leaving

NAME = "default-scheduler"
RETRY = 1.0  # seconds of real time after a failed call


@dataclass(frozen=True, slots=True)
class Nomination:
    """A node whose pods leave for a pending pod; `hold` names its demand there until it comes."""

    node: str
    demand: Demand
    priority: int
    hold: str


_PLACING = ("nodeSelector", "affinity", "tolerations", "priority")
"""The fields of a pod's spec, beside requests, that decide where it may run."""

log = logging.getLogger(__name__)


class Scheduler:
    """Binds pods to nodes."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._clock = context.clock
        self._events = context.recorder(NAME)
        self._rooms: dict[str, NodeRoom] = {}
        self._places: dict[str, str] = {}  # pod uid -> node name
        self._pending: dict[Key, Obj] = {}
        self._stuck: dict[Key, Obj] = {}
        self._awaiting_affinity: set[Key] = set()  # stuck, waiting for others
        self._kinds_of_pods: dict[str, EquivalenceClass] = {}
        self._wake = asyncio.Event()
        self._affinity = PodAffinity(context.informers.of(NAMESPACE), self._labels_of)
        budgets = context.informers.of(POD_DISRUPTION_BUDGET)
        self._preemptor = Preemptor(self._affinity, lambda: budgets.objects.values())
        self._nominated: dict[Key, Nomination] = {}
        self._storage = Storage(context)
        for informer in self._storage.informers:
            informer.on_change(lambda before, after: self._retry_stuck())
        context.informers.of(NODE).on_change(self._node_changed)
        context.informers.of(POD).on_change(self._pod_changed)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._place_all()

    def _node_changed(self, before: Obj | None, after: Obj | None) -> None:
        if after is None:
            self._rooms.pop((before or {})["metadata"]["name"], None)
            self._retry_stuck()
            return
        room = self._rooms.get(after["metadata"]["name"])
        if room is None:
            room = self._rooms[after["metadata"]["name"]] = NodeRoom(after)
        elif before is not None and same_for_pods(before, after):
            room.node = after
            return
        room.measure(after)
        self._retry_stuck()

    def _pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        if before is not None and (after is None or is_finished(after)):
            self._remove(before)
        if after is None or after["spec"].get("nodeName") or is_leaving(after):
            self._nominated.pop(key_of(after or before or {}), None)
        if after is None:
            key = key_of(before or {})
            self._pending.pop(key, None)
            self._stuck.pop(key, None)
        elif after["spec"].get("nodeName"):
            self._pending.pop(key_of(after), None)
            self._stuck.pop(key_of(after), None)
            if not is_finished(after):
                self._add(after, after["spec"]["nodeName"])
                if before is not None and _seen(before) != _seen(after):
                    self._retry_stuck()
        elif _is_ours(after) and (before is None or _asks(before) != _asks(after)):
            self._stuck.pop(key_of(after), None)
            self._pending[key_of(after)] = after
            self._wake.set()
        elif is_leaving(after):
            self._pending.pop(key_of(after), None)
            self._stuck.pop(key_of(after), None)

    def _add(self, pod: Obj, node: str) -> None:
        uid = pod["metadata"]["uid"]
        self._add_to_affinity(pod, node)
        if self._places.get(uid) == node and uid in self._room(node).taken:
            return
        if uid not in self._places:
            self._preemptor.count(pod, 1)
        self._places[uid] = node
        self._room(node).take(uid, demand_of(pod["spec"]))

    def _add_to_affinity(self, pod: Obj, node: str) -> None:
        """Record a placed pod for affinity terms, and retry pods that wait for others."""
        if not self._affinity.add(pod, node):
            return
        for key in self._awaiting_affinity & self._stuck.keys():
            self._pending[key] = self._stuck.pop(key)
            self._wake.set()
        self._awaiting_affinity.clear()

    def _room(self, node: str) -> NodeRoom:
        """Return a node's resources; pods may arrive before their node."""
        if node not in self._rooms:
            self._rooms[node] = NodeRoom({"metadata": {"name": node}})
        return self._rooms[node]

    def _remove(self, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        self._affinity.remove(uid)
        if uid in self._places:
            self._preemptor.count(pod, -1)
        node = self._places.pop(uid, None)
        if node in self._rooms:
            self._rooms[node].free(uid)
            self._retry_stuck()

    def _labels_of(self, node: str) -> Mapping[str, str]:
        room = self._rooms.get(node)  # a deleted node may still have pods
        return room.labels if room else {}

    def _retry_stuck(self) -> None:
        """Queue the stuck pods again, because the feasible nodes have changed."""
        self._kinds_of_pods.clear()
        self._pending.update(self._stuck)
        self._stuck.clear()
        if self._pending:
            self._wake.set()

    async def _place_all(self) -> None:
        waiting = sorted(
            self._pending.items(), key=lambda item: -(item[1]["spec"].get("priority") or 0)
        )
        for key, pod in waiting:
            if self._pending.get(key) is not pod:
                continue
            try:
                await self._place(key, pod)
            except (ApiFailure, OSError) as failure:
                self._put_off(key, pod, failure)
            except Exception:
                log.exception("pod %s/%s cannot be evaluated and waits for a change", *key)
                self._pending.pop(key, None)
                self._stuck[key] = pod
            await asyncio.sleep(0)

    async def _place(self, key: Key, pod: Obj) -> None:
        problem = claim_problem(pod) or self._storage.find_problem(pod)
        if problem is not None:
            await self._give_up(key, pod, format_claim_problem(problem, self._nodes))
            return
        held, preemption = self._hold_nominated(key, pod), None
        try:
            group = self._class_of(self._storage.restricted(pod))
            room = group.emptiest(self._rooms)
            is_awaited = self._is_awaited(key, pod)
            if room is None and not is_awaited:
                preemption = self._preemptor.find(pod, self._rooms, group.demand)
        finally:
            for nomination in held:
                self._room(nomination.node).free(nomination.hold)
        if room is None:
            if has_pod_affinity(pod):
                self._awaiting_affinity.add(key)
            end = AWAITED if is_awaited else "" if preemption else None
            words = format_refusals(group.refusals, self._nodes, end)
            await self._give_up(key, pod, words, preemption)
            return
        if claims := self._storage.unbound(pod):
            self._pending.pop(key, None)
            self._stuck[key] = pod  # until the volumes are made
            await self._storage.choose(claims, room.node["metadata"]["name"], set(self._rooms))
            return
        del self._pending[key]
        uid, node = pod["metadata"]["uid"], room.node["metadata"]["name"]
        self._places[uid] = node
        self._preemptor.count(pod, 1)
        room.take(uid, group.demand)
        self._add_to_affinity(pod, node)
        try:
            await self._bind(pod, node)
        except BaseException:
            self._affinity.remove(uid)
            self._places.pop(uid, None)
            self._preemptor.count(pod, -1)
            room.free(uid)
            raise
        self._nominated.pop(key, None)

    @property
    def _nodes(self) -> int:
        return sum(1 for room in self._rooms.values() if room.node.get("status"))

    def _hold_nominated(self, key: Key, pod: Obj) -> list[Nomination]:
        """Let pods use their nominated nodes, as far as this one has no higher priority."""
        held = [
            one
            for name, one in self._nominated.items()
            if name != key and one.priority >= priority_of(pod)
        ]
        for nomination in held:
            self._room(nomination.node).take(nomination.hold, nomination.demand)
        if self._nominated:
            self._kinds_of_pods.clear()
        return held

    def _is_awaited(self, key: Key, pod: Obj) -> bool:
        """Return whether others still leave the pod's nominated node for it."""
        nomination = self._nominated.get(key)
        if nomination is None:
            return False
        others = map(self._affinity.pod, self._room(nomination.node).taken)
        return any(
            is_leaving(other) and priority_of(other) < priority_of(pod) for other in others if other
        )

    async def _give_up(
        self, key: Key, pod: Obj, words: str, preemption: Preemption | None = None
    ) -> None:
        """Write why a pod has no node, and let it wait for a change."""
        self._pending.pop(key, None)
        self._stuck[key] = pod
        if preemption is None:
            await self._explain(key, pod, words)
            return
        node = preemption.room.node["metadata"]["name"]
        demand = demand_of(pod["spec"])
        self._nominated[key] = Nomination(node, demand, priority_of(pod), f"nominated/{key}")
        await self._explain(key, pod, words, node)
        for victim in preemption.victims:
            await self._preempt(victim, pod, node)

    async def _preempt(self, victim: Obj, pod: Obj, node: str) -> None:
        condition: dict[str, Any] = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": f"{NAME}: preempting to accommodate a higher priority pod",
            "lastProbeTime": None,
            "lastTransitionTime": stamp(self._clock.now()),
        }
        try:
            if not is_leaving(victim):
                await strategic_status(self._api, POD, victim, {"conditions": [condition]})
                await delete(self._api, POD, victim)
        except ApiFailure as failure:
            if failure.status not in (404, 409):
                raise
            return
        message = f"Preempted by pod {pod['metadata']['uid']} on node {node}"
        self._events.record(POD, victim, "Preempted", message)

    async def _bind(self, pod: Obj, node: str) -> None:
        meta = pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {key: meta[key] for key in ("name", "namespace", "uid")},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        path = POD.path(meta["namespace"], meta["name"], "binding")
        await self._api.request("POST", path, body=binding)
        message = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        self._events.record(POD, pod, "Scheduled", message)

    def _put_off(self, key: Key, pod: Obj, failure: Exception) -> None:
        """Retry a pod later, unless the failure means that it is gone or bound."""
        if isinstance(failure, ApiFailure) and failure.status in (404, 409):
            return
        log.warning("pod %s/%s: %s", *key, failure)

        def again() -> None:
            self._pending.setdefault(key, pod)
            self._wake.set()

        asyncio.get_running_loop().call_later(RETRY, again)

    def _class_of(self, pod: Obj) -> EquivalenceClass:
        spec = pod["spec"]
        demand = demand_of(spec)
        if self._affinity.concerns(pod):  # each placed pod changes the result for the next one
            nodes = [room.node for room in self._rooms.values() if room.node.get("status")]
            verdict = self._affinity.evaluate(pod, nodes)
            return survey(self._rooms, spec, demand, verdict)
        placing = {field: spec.get(field) for field in _PLACING}
        name = json.dumps([placing, demand.cpu, demand.memory, sorted(demand.ports), demand.others])
        if name not in self._kinds_of_pods:
            self._kinds_of_pods[name] = survey(self._rooms, spec, demand)
        return self._kinds_of_pods[name]

    async def _explain(self, key: Key, pod: Obj, message: str, node: str = "") -> None:
        """Write why a pod is pending, unless it is unchanged.

        Args:
            node: on which others leave for it; empty for none.
        """
        status = pod.get("status", {})
        if node in ("", status.get("nominatedNodeName", "")):
            for condition in status.get("conditions") or ():
                if condition["type"] == "PodScheduled" and condition.get("message") == message:
                    return
        condition_now: dict[str, Any] = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": stamp(self._clock.now()),
        }
        self._events.record(POD, pod, "FailedScheduling", message, warning=True)
        change: dict[str, Any] = {"conditions": [condition_now]}
        if node:
            change["nominatedNodeName"] = node
        try:
            changed = await strategic_status(self._api, POD, pod, change)
        except ApiFailure as failure:
            if failure.status not in (404, 409):
                raise
            return
        for waiting in (self._stuck, self._pending):
            if key in waiting:
                waiting[key] = changed


def _seen(pod: Obj) -> tuple[Any, ...]:
    """Return the facts of a placed pod that matter for other pods."""
    return pod["metadata"].get("labels"), is_leaving(pod)


def _asks(pod: Obj) -> tuple[Any, ...]:
    """Return the facts that decide where a pod may run, with its labels for affinity terms."""
    return pod["spec"], pod["metadata"].get("labels")


def _is_ours(pod: Obj) -> bool:
    spec = pod["spec"]
    return (
        spec.get("schedulerName", NAME) == NAME
        and not spec.get("schedulingGates")
        and not is_leaving(pod)
        and not is_finished(pod)
    )

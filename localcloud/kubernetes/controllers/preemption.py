"""Preemption: which pods of a lower priority leave a node, so that a pod fits there."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.controllers.placement import NodeRoom, objection
from localcloud.kubernetes.controllers.pod_affinity import PodAffinity
from localcloud.kubernetes.objects.pods import Demand, demand_of, is_leaving
from localcloud.kubernetes.objects.selectors import label_selector_test

Rooms = Mapping[str, NodeRoom]


def priority_of(pod: Obj) -> int:
    return int(pod["spec"].get("priority") or 0)


@dataclass(frozen=True, slots=True)
class Preemption:
    """A node, and the pods that leave it; `violations` of them are protected by a budget."""

    room: NodeRoom
    victims: Sequence[Obj]
    violations: int

    @property
    def rank(self) -> tuple[int, ...]:
        """Order of the choice, the best first; the last word, the start time, is left out."""
        priorities = [priority_of(one) for one in self.victims]
        return (self.violations, max(priorities), sum(priorities), len(priorities))


class Preemptor:
    """Finds the node on which the least has to leave for a pod."""

    def __init__(self, affinity: PodAffinity, budgets: Callable[[], Iterable[Obj]]) -> None:
        self._affinity = affinity
        self._budgets = budgets
        self._priorities: Counter[int] = Counter()

    def count(self, pod: Obj, change: int) -> None:
        """Count a placed pod in (1) or out (-1)."""
        self._priorities[priority_of(pod)] += change
        self._priorities = +self._priorities

    def find(self, pod: Obj, rooms: Rooms, demand: Demand) -> Preemption | None:
        """Find a node for a pod that fits nowhere; None where nothing that may leave would help."""
        mine = priority_of(pod)
        if pod["spec"].get("preemptionPolicy") == "Never":
            return None
        if min(self._priorities, default=mine) >= mine:
            return None
        found = [
            one
            for room in rooms.values()
            if room.node.get("status") and objection(room.node, pod["spec"]) is None
            if (one := self._on_node(pod, room, rooms, demand)) is not None
        ]
        return min(found, key=lambda one: one.rank, default=None)

    def _on_node(self, pod: Obj, room: NodeRoom, rooms: Rooms, demand: Demand) -> Preemption | None:
        """Take all pods of lower priority out, and put back as many as the pod leaves room for."""
        mine = priority_of(pod)
        lower = [
            other for other in map(self._affinity.pod, list(room.taken)) if other is not None
            and priority_of(other) < mine
        ]  # fmt: skip
        if not lower:
            return None
        for one in lower:
            self._take_out(one, room)
        victims: list[Obj] = []
        try:
            if not self._fits(pod, room, rooms, demand):
                return None
            protected = self._protected(lower)
            lower.sort(key=lambda one: _order(one, protected))
            for one in lower:
                self._put_back(one, room)
                if not self._fits(pod, room, rooms, demand):
                    self._take_out(one, room)
                    victims.append(one)
        finally:
            for one in lower:
                self._put_back(one, room)
        if not victims:
            return None
        violations = sum(one["metadata"]["uid"] in protected for one in victims)
        return Preemption(room, victims, violations)

    def _fits(self, pod: Obj, room: NodeRoom, rooms: Rooms, demand: Demand) -> bool:
        if room.shortages(demand):
            return False
        if not self._affinity.concerns(pod):
            return True
        nodes = [one.node for one in rooms.values() if one.node.get("status")]
        return self._affinity.evaluate(pod, nodes).objection(room.labels) is None

    def _take_out(self, pod: Obj, room: NodeRoom) -> None:
        room.free(pod["metadata"]["uid"])
        self._affinity.remove(pod["metadata"]["uid"])

    def _put_back(self, pod: Obj, room: NodeRoom) -> None:
        room.take(pod["metadata"]["uid"], demand_of(pod["spec"]))
        self._affinity.add(pod, room.node["metadata"]["name"])

    def _protected(self, pods: Iterable[Obj]) -> set[str]:
        """The uids of pods whose budgets allow no further eviction, once for each budget."""
        left = {id(one): int(one["status"].get("disruptionsAllowed", 0)) for one in self._all()}
        protected = set()
        for pod in sorted(pods, key=lambda one: -priority_of(one)):
            for budget in self._all():
                if is_leaving(pod) or not _covers(budget, pod):
                    continue
                left[id(budget)] -= 1
                if left[id(budget)] < 0:
                    protected.add(pod["metadata"]["uid"])
        return protected

    def _all(self) -> list[Obj]:
        return [one for one in self._budgets() if one.get("status")]


def _covers(budget: Obj, pod: Obj) -> bool:
    meta = pod["metadata"]
    selects = label_selector_test(budget.get("spec", {}).get("selector"))
    return budget["metadata"]["namespace"] == meta["namespace"] and selects(
        meta.get("labels") or {}
    )


def _order(pod: Obj, protected: set[str]) -> tuple[Any, ...]:
    """The pods that stay first: those that a budget protects, of high priority, and old ones."""
    started = pod.get("status", {}).get("startTime") or "9999"
    return (pod["metadata"]["uid"] not in protected, -priority_of(pod), started)

"""Feasible nodes for pods with equal requirements, and why others are not feasible."""

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.controllers.placement import NO_VICTIMS, NodeRoom, objection
from localcloud.kubernetes.controllers.pod_affinity import UNMET, Verdict
from localcloud.kubernetes.controllers.spreading import UNLABELLED
from localcloud.kubernetes.objects.pods import Demand

Rooms = Mapping[str, NodeRoom]


@dataclass(slots=True)
class EquivalenceClass:
    """Pods with equal requirements, and their feasible nodes, the emptiest first."""

    demand: Demand
    verdict: Verdict | None
    refusals: Counter[str] = field(default_factory=Counter)
    candidates: list[tuple[int, str]] = field(default_factory=list)  # a heap: pods on it, name

    def emptiest(self, rooms: Rooms) -> NodeRoom | None:
        """Return the node with the fewest pods that has room; drop full nodes."""
        while self.candidates:
            count, name = self.candidates[0]
            room = rooms[name]
            if len(room.taken) != count:
                heapq.heapreplace(self.candidates, (len(room.taken), name))
            elif lacking := room.shortages(self.demand):
                heapq.heappop(self.candidates)
                self.refusals.update(lacking)
                self.refusals[NO_VICTIMS] += room.could_ever_hold(self.demand)
            elif self.verdict and (words := self.verdict.objection(room.labels)):
                heapq.heappop(self.candidates)
                self.refusals[words] += 1
                self.refusals[NO_VICTIMS] += words not in (UNMET, UNLABELLED)
            else:
                return room
        return None


def survey(
    rooms: Rooms, spec: Obj, demand: Demand, verdict: Verdict | None = None
) -> EquivalenceClass:
    """Find the feasible nodes for pods with these requirements.

    Args:
        verdict: the constraints by other pods, or None.
    """
    group = EquivalenceClass(demand, verdict)
    for name, room in rooms.items():
        if not room.node.get("status"):
            continue  # the node is known through a pod only
        refusal = objection(room.node, spec)
        if refusal is not None:
            group.refusals[refusal] += 1
        else:
            group.candidates.append((len(room.taken), name))
    heapq.heapify(group.candidates)
    return group

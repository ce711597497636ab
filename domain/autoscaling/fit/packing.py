"""Packing of pods: which fit where, how many machines they need, and which fit nowhere."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from domain.autoscaling.fit.neighbours import Neighbours
from domain.autoscaling.fit.spreading import Spreading
from domain.autoscaling.see.placement import Taint
from domain.autoscaling.see.snapshot import Resources, SeenNode, SeenPod, Template

CORDONED = Taint("node.kubernetes.io/unschedulable")
"""The taint of a node that was closed by `kubectl cordon`."""


class Misfit(StrEnum):
    """Why a pod cannot run on a node."""

    PLACES = "no place for one more pod"
    CPU = "not enough cpu"
    MEMORY = "not enough memory"
    OTHER = "not enough of another resource"
    PORT = "its host port is taken"
    LABELS = "its node selector or affinity requires other labels"
    TAINTS = "it does not tolerate the node's taints"
    NEIGHBOURS = "its affinity to other pods does not allow it"
    SPREAD = "its spread constraints do not allow it"


@dataclass(slots=True, eq=False)  # two empty machines are not the same
class Place:
    """A node or an empty machine, with its free resources.

    These may be negative; a pod without requests fits all the same.
    """

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    cpu: int
    memory: int
    places: int
    others: dict[str, int] = field(default_factory=dict)
    ports: set[str] = field(default_factory=set)
    residents: list[SeenPod] = field(default_factory=list)
    is_open: bool = True

    def change(self, pod: SeenPod, sign: int) -> None:
        """Take a pod in (1) or out (-1)."""
        self.cpu -= sign * pod.requests.cpu_millis
        self.memory -= sign * pod.requests.memory_bytes
        self.places -= sign
        for name, amount in pod.requests.others:
            self.others[name] = self.others.get(name, 0) - sign * amount
        if sign > 0:
            self.ports.update(pod.placement.host_ports)
            self.residents.append(pod)
        else:
            self.ports.difference_update(pod.placement.host_ports)
            self.residents.remove(pod)

    def admits(self, pod: SeenPod) -> Misfit | None:
        """Why labels or taints exclude a pod, whatever pods run here; None where they admit it."""
        if not pod.placement.accepts_labels(self.labels):
            return Misfit.LABELS
        if self.taints and not pod.placement.tolerates(self.taints):
            return Misfit.TAINTS
        return None

    def lacks(self, pod: SeenPod) -> Misfit | None:
        """The resource that is missing for a pod, or None."""
        wanted = pod.requests
        if self.places < 1:
            return Misfit.PLACES
        if wanted.cpu_millis > max(self.cpu, 0):
            return Misfit.CPU
        if wanted.memory_bytes > max(self.memory, 0):
            return Misfit.MEMORY
        if any(amount > max(self.others.get(name, 0), 0) for name, amount in wanted.others):
            return Misfit.OTHER
        return Misfit.PORT if not self.ports.isdisjoint(pod.placement.host_ports) else None

    def count_that_fit(self, pod: SeenPod) -> int:
        """How many pods like this one fit, by resources alone."""
        room = self.places
        if pod.requests.cpu_millis:
            room = min(room, self.cpu // pod.requests.cpu_millis)
        if pod.requests.memory_bytes:
            room = min(room, self.memory // pod.requests.memory_bytes)
        for name, amount in pod.requests.others:
            if amount:
                room = min(room, self.others.get(name, 0) // amount)
        return max(room, 0)


def place_of_node(node: SeenNode) -> Place:
    """The free resources of a node beside its pods."""
    cpu = node.allocatable.cpu_millis - sum(pod.requests.cpu_millis for pod in node.pods)
    memory = node.allocatable.memory_bytes - sum(pod.requests.memory_bytes for pod in node.pods)
    others = Counter(dict(node.allocatable.others))
    ports: set[str] = set()
    for pod in node.pods:
        for name, amount in pod.requests.others:
            others[name] -= amount
        if pod.placement.host_ports:
            ports.update(pod.placement.host_ports)
    return Place(
        node.name,
        node.labels,
        node.taints if node.schedulable else (*node.taints, CORDONED),
        cpu,
        memory,
        node.places - len(node.pods),
        dict(others),
        ports,
        list(node.pods),
    )


def place_of_template(template: Template, places: int, name: str) -> Place:
    """An empty machine of a template, with a number of places for workload pods."""
    has = template.allocatable
    return Place(
        name,
        template.labels,
        template.taints,
        has.cpu_millis,
        has.memory_bytes,
        places,
        dict(has.others),
    )


class Room:
    """All places together; pods are put on the first place that fits, the large ones first.

    Args:
        closed: nodes that take no pod, but whose pods count for affinity and spreading.
    """

    def __init__(self, places: Iterable[Place], closed: Iterable[Place] = ()) -> None:
        self.places = list(places)
        self._by_name = {place.name: place for place in self.places}
        spots = [*self.places, *closed]
        self._neighbours = Neighbours(spots)
        self._spreading = Spreading(spots)

    def add(self, place: Place) -> None:
        self.places.append(place)
        self._by_name[place.name] = place
        self._neighbours.open(place)
        self._spreading.open(place)

    def misfit(self, pod: SeenPod, place: Place) -> Misfit | None:
        """Why this pod cannot run here, or None."""
        found = place.lacks(pod) or place.admits(pod)
        if found is None and not self._spreading.allow(pod, place):
            return Misfit.SPREAD
        if found is None and not self._neighbours.allow(pod, place):
            return Misfit.NEIGHBOURS
        return found

    def floors(self, pod: SeenPod) -> tuple[int, ...]:
        """By spread constraint of a pod, the smallest number of its pods in a domain."""
        return self._spreading.floors(pod)

    def put(self, pods: Iterable[SeenPod]) -> list[SeenPod]:
        """Put pods where they fit, and return those that fit nowhere."""
        return [pod for alike in group_alike(pods) for pod in self.put_alike(alike)]

    def put_alike(self, alike: Sequence[SeenPod], place: Place | None = None) -> list[SeenPod]:
        """The same for interchangeable pods, on one place only if it is given."""
        return self._put_alike(alike, [], self.places if place is None else [place])

    def find_infeasible(self, name: str) -> SeenPod | None:
        """Try to move all workload pods off a place, then undo it.

        Pods that were only put there count, too.

        Returns: a pod that fits no other place, or None.
        """
        origin = self._by_name[name]
        pods = [pod for pod in origin.residents if pod.is_workload]
        origin.is_open = False
        for pod in pods:
            self._change(pod, origin, -1)
        self._spreading.close(origin)
        moved: list[tuple[SeenPod, Place]] = []
        infeasible = None
        for alike in group_alike(pods):
            left = self._put_alike(alike, moved, self.places)
            if left:
                infeasible = left[0]
                break
        for pod, place in moved:
            self._change(pod, place, -1)
        self._spreading.open(origin)
        for pod in pods:
            self._change(pod, origin, 1)
        origin.is_open = True
        return infeasible

    def _put_alike(
        self,
        alike: Sequence[SeenPod],
        log: list[tuple[SeenPod, Place]],
        places: Sequence[Place],
    ) -> list[SeenPod]:
        left = list(alike)
        one = left[0]
        if self._neighbours.concern(one):
            return self._put_one_by_one(left, log, places)
        cpu, memory = one.requests.cpu_millis, one.requests.memory_bytes
        for place in places:
            # Most places are full when there are thousands: no call for each of them.
            if place.places < 1 or not place.is_open:
                continue
            if (cpu and place.cpu < cpu) or (memory and place.memory < memory):
                continue
            count = min(place.count_that_fit(one), len(left))
            if count and place.admits(one) is None:
                for pod in left[-count:]:
                    self._change(pod, place, 1)
                    log.append((pod, place))
                del left[-count:]
                if not left:
                    break
        return left

    def _put_one_by_one(
        self, left: list[SeenPod], log: list[tuple[SeenPod, Place]], places: Sequence[Place]
    ) -> list[SeenPod]:
        """Put pods that depend on others: a place that refuses one refuses all like it.

        For spread pods a refused place is tried again once every domain has one more.
        """
        one, before = left[0], None
        while left and before != (floors := self.floors(one)):
            before = floors
            for place in places:
                while left and place.is_open and self.misfit(left[-1], place) is None:
                    pod = left.pop()
                    self._change(pod, place, 1)
                    log.append((pod, place))
        return left

    def _change(self, pod: SeenPod, place: Place, sign: int) -> None:
        place.change(pod, sign)
        self._neighbours.count(pod, place, sign)
        self._spreading.count(pod, place, sign)


def group_alike(pods: Iterable[SeenPod]) -> list[list[SeenPod]]:
    """Group interchangeable pods, those with the largest requests first."""
    groups: dict[object, list[SeenPod]] = {}
    for pod in pods:
        labels = tuple(sorted(pod.labels.items()))
        key = (pod.namespace, pod.requests, pod.placement, labels)
        groups.setdefault(key, []).append(pod)
    return sorted(groups.values(), key=lambda alike: _demand(alike[0].requests), reverse=True)


def _demand(wanted: Resources) -> tuple[int, float]:
    # One GiB weighs as much as 500 millicores: the shape of most instance types, 1 to 2.
    return (len(wanted.others), wanted.cpu_millis + wanted.memory_bytes / 2**30 * 500)


@dataclass(frozen=True, slots=True)
class Packed:
    """The result of packing.

    Args:
        machines: number of empty machines that are needed at once.
        unfit: pods that no such machine can hold, each with the reason.
    """

    machines: int
    unfit: tuple[tuple[SeenPod, Misfit], ...] = ()


def pack(pods: Sequence[SeenPod], room: Room, template: Template, places: int) -> Packed:
    """Count the empty machines for the pods that fit no existing or booting machine.

    Args:
        room: existing and booting machines; pods are put into it.
        places: for workload pods on an empty machine.
    """
    machines = 0
    unfit: list[tuple[SeenPod, Misfit]] = []
    for alike in group_alike(pods):
        left = room.put_alike(alike)
        while left:
            fresh = place_of_template(template, places, f"new machine {machines + 1}")
            misfit = room.misfit(left[0], fresh)
            if misfit is not None:
                unfit += [(pod, misfit) for pod in left]
                break
            floors = room.floors(left[0])
            room.add(fresh)
            machines += 1
            left = room.put_alike(left, fresh)
            if left and room.floors(left[0]) != floors:
                left = room.put_alike(left)
    return Packed(machines, tuple(unfit))

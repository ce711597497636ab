"""Packing of pods: which fit where, how many machines they need, and which fit nowhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domain.autoscaling.fit.neighbours import Neighbours
from domain.autoscaling.fit.place import Misfit, Place, place_of_template
from domain.autoscaling.fit.spreading import Spreading
from domain.autoscaling.see.snapshot import SeenPod, Template

SOME = 3
"""Pods of one kind by which a purchase is judged afterwards."""


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

    def find(self, name: str) -> Place | None:
        """The place of this name, if it takes pods."""
        return self._by_name.get(name)

    def depends_on_others(self, pod: SeenPod) -> bool:
        """Whether other pods decide where this one can run."""
        return self._neighbours.concern(pod)

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

    def put_and_tell(
        self, alike: Sequence[SeenPod]
    ) -> tuple[list[SeenPod], list[tuple[SeenPod, Place]]]:
        """The same, and return as well which pod was put where."""
        log: list[tuple[SeenPod, Place]] = []
        return self._put_alike(alike, log, self.places), log

    def find_infeasible(self, name: str, least_priority: int) -> SeenPod | None:
        """Try to move all workload pods off a place, then undo it.

        Pods that were only put there count, too; those that need no other place do not.

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
        for alike in group_alike(pod for pod in pods if pod.must_move(least_priority)):
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
    """Group interchangeable pods: those that others constrain first, then by their requests.

    Spread pods need room in every domain, which others would take if they came first.
    """
    groups: dict[object, list[SeenPod]] = {}
    for pod in pods:
        labels = tuple(sorted(pod.labels.items()))
        key = (pod.namespace, pod.requests, pod.placement, labels)
        groups.setdefault(key, []).append(pod)
    return sorted(groups.values(), key=lambda alike: _demand(alike[0]), reverse=True)


def _demand(pod: SeenPod) -> tuple[bool, int, float]:
    wanted = pod.requests
    # One GiB weighs as much as 500 millicores: the shape of most instance types, 1 to 2.
    size = wanted.cpu_millis + wanted.memory_bytes / 2**30 * 500
    return (pod.placement.depends_on_pods, len(wanted.others), size)


@dataclass(frozen=True, slots=True)
class Packed:
    """The result of packing.

    Args:
        machines: number of empty machines that are needed at once.
        unfit: pods that no such machine can hold, each with the reason.
        bought_for: some pods of each kind that need such a machine.
        roomy: some pods of each kind that fit a node as it is now, where the scheduler should put
            them.
        excess: pods that more machines than allowed would hold.
    """

    machines: int
    unfit: tuple[tuple[SeenPod, Misfit], ...] = ()
    bought_for: tuple[SeenPod, ...] = field(default=(), compare=False)
    roomy: tuple[SeenPod, ...] = field(default=(), compare=False)
    excess: tuple[SeenPod, ...] = ()


def pack(
    pods: Sequence[SeenPod],
    room: Room,
    template: Template,
    places: int,
    most: int | None = None,
) -> Packed:
    """Count the empty machines for the pods that fit no existing or booting machine.

    Args:
        room: existing and booting machines; pods are put into it.
        places: for workload pods on an empty machine.
        most: as many machines at most; no limit if not given.
    """
    machines, untouched = 0, True
    unfit: list[tuple[SeenPod, Misfit]] = []
    bought_for: list[SeenPod] = []
    roomy: list[SeenPod] = []
    excess: list[SeenPod] = []
    for alike in group_alike(pods):
        # Pods that were put before leave less room, but may attract others.
        is_judged = untouched or not room.depends_on_others(alike[0])
        left, log = room.put_and_tell(alike)
        untouched = untouched and not log
        if is_judged:
            roomy += [pod for pod, place in log if place.is_node][:SOME]
        buyers: list[SeenPod] = []
        while left:
            fresh = place_of_template(template, places, f"new machine {machines + 1}")
            misfit = room.misfit(left[0], fresh)
            if misfit is not None:
                unfit += [(pod, misfit) for pod in left]
                break
            if machines == most:
                excess += left
                break
            buyers = buyers or left[:SOME]
            floors = room.floors(left[0])
            room.add(fresh)
            machines += 1
            untouched = False
            left = room.put_alike(left, fresh)
            if left and room.floors(left[0]) != floors:
                left = room.put_alike(left)
        bought_for += buyers
    return Packed(machines, tuple(unfit), tuple(bought_for), tuple(roomy), tuple(excess))

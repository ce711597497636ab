"""The simulated cluster of a replay: machines boot, pods are scheduled, nodes are drained."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from domain.autoscaling.fit.place import Place, place_of_template
from domain.autoscaling.see.snapshot import (
    Resources,
    SeenMachine,
    SeenNode,
    SeenPod,
    Snapshot,
    Template,
)
from domain.observe.metrics.records import WindowStatistics
from domain.spec.metrics import PODS, unit_of
from domain.spec.scaling import ScalingPolicy

PLENTY = Resources(cpu_millis=1_000_000, memory_bytes=2**50)
"""Capacity of a machine on which only the number of pods counts."""

PLACES = 40
"""Places for workload pods on a node, as in the article."""

ANY_POD = (SeenPod("default", "replayed"),)
DRAIN_SECONDS = 60.0
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
"""The begin of every replay."""


@dataclass(slots=True)
class Machine:
    """A machine of the replay; times are seconds since its start."""

    id: str
    started_at: float
    ready_at: float
    place: Place
    gone_at: float | None = None
    history: list[tuple[float, int]] = field(default_factory=list)


class World:
    """The simulated cluster; `advance` moves its time.

    Args:
        kinds: templates of the pods, used in turn.
        capacity: of a machine, for workload pods.
    """

    def __init__(
        self,
        policy: ScalingPolicy,
        boot_seconds: float = 180.0,
        kinds: Sequence[SeenPod] = ANY_POD,
        capacity: Resources = PLENTY,
    ) -> None:
        self.policy = policy
        self.now = 0.0
        self.machines: list[Machine] = []
        self.waiting: list[SeenPod] = []
        self._boot_seconds = boot_seconds
        self._kinds = kinds
        self._places = policy.pods_per_node or PLACES
        self._template = Template("replayed", capacity)
        self._ids = count(1)
        self._pods = count()

    @property
    def time(self) -> datetime:
        return _moment(self.now)

    @property
    def nodes(self) -> list[Machine]:
        """Machines that run pods."""
        return [m for m in self.machines if m.ready_at <= self.now and m.gone_at is None]

    @property
    def running(self) -> int:
        return sum(len(machine.place.residents) for machine in self.machines)

    def launch(self, machines: int, *, booted: bool = False) -> None:
        for _ in range(machines):
            number = next(self._ids)
            name = f"k8s-node-{number:04}"
            place = place_of_template(self._template, self._places, name)
            ready_at = self.now + (0 if booted else self._boot_seconds)
            self.machines.append(Machine(f"i-{number:04}", self.now, ready_at, place))

    def remove(self, machine_id: str) -> None:
        """Move a machine's pods to other nodes; the machine is deleted when its drain ends."""
        machine = next(m for m in self.machines if m.id == machine_id)
        machine.gone_at = self.now + DRAIN_SECONDS
        for pod in list(machine.place.residents):
            machine.place.change(pod, -1)
            self.waiting.append(pod)
        self._schedule()

    def advance(self, now: float, wanted: int) -> None:
        """Advance to a moment with a number of wanted pods."""
        self.now = now
        self.machines = [m for m in self.machines if m.gone_at is None or m.gone_at > now]
        surplus = len(self.waiting) + self.running - wanted
        for _ in range(-surplus):
            self.waiting.append(self._kinds[next(self._pods) % len(self._kinds)])
        for _ in range(surplus):
            self._delete_one()
        self._schedule()

    def sample(self) -> None:
        """Sample each node, as `monitor` does each minute. Keeps only what the rules read."""
        oldest = self.now - max(self.policy.windows, default=0)
        for machine in self.nodes:
            machine.history.append((self.now, len(machine.place.residents)))
            while machine.history[0][0] < oldest:
                machine.history.pop(0)

    def snapshot(self, minimum: int, maximum: int) -> Snapshot:
        return Snapshot(
            time=self.time,
            minimum=minimum,
            maximum=maximum,
            nodes=tuple(self._seen(m) for m in self.machines if m.ready_at <= self.now),
            machines=tuple(
                SeenMachine(
                    m.id,
                    m.place.name,
                    _moment(m.started_at),
                    leaving=m.gone_at is not None,
                )
                for m in self.machines
            ),
            templates=(self._template,),
            pending=tuple(self.waiting),
            pods_per_node=self._places,
            statistics={seconds: self._statistics(seconds) for seconds in self.policy.windows},
        )

    def _seen(self, machine: Machine) -> SeenNode:
        return SeenNode(
            machine.place.name,
            self.policy.group,
            schedulable=machine.gone_at is None,
            allocatable=self._template.allocatable,
            places=self._places,
            pods=tuple(machine.place.residents),
        )

    def _statistics(self, seconds: int) -> list[WindowStatistics]:
        lines = []
        for machine in self.nodes:
            recent = [(at, pods) for at, pods in machine.history if at > self.now - seconds]
            if not recent:
                continue
            pods = [value for _, value in recent]
            lines.append(
                WindowStatistics(
                    group=self.policy.group,
                    machine=machine.place.name,
                    metric=PODS,
                    unit=unit_of(PODS),
                    count=len(pods),
                    average=sum(pods) / len(pods),
                    minimum=min(pods),
                    maximum=max(pods),
                    latest=_moment(recent[-1][0]),
                )
            )
        return lines

    def _delete_one(self) -> None:
        """Delete a pending pod or else one of the fullest node, as a controller does."""
        if self.waiting:
            self.waiting.pop()
            return
        fullest = max(self.machines, key=lambda m: len(m.place.residents))
        fullest.place.change(fullest.place.residents[-1], -1)

    def _schedule(self) -> None:
        """Put pending pods on the emptiest node that fits them."""
        nodes, left, full = self.nodes, [], set[int]()
        for pod in self.waiting:
            fitting = [] if id(pod) in full else [m for m in nodes if not m.place.lacks(pod)]
            if not fitting:
                full.add(id(pod))
                left.append(pod)
                continue
            min(fitting, key=lambda m: len(m.place.residents)).place.change(pod, 1)
        self.waiting = left


def _moment(seconds: float) -> datetime:
    return MONDAY + timedelta(seconds=seconds)

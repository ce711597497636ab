"""A simulated group whose machines stop, vanish, never join, or turn NotReady and come back."""

from dataclasses import dataclass, replace

from domain.autoscaling.decision import Decision, Repair, ScaleIn, ScaleOut
from domain.autoscaling.replay.world import Machine, World
from domain.autoscaling.see.snapshot import SeenNode, Snapshot
from domain.cloud.records import InstanceStatus
from domain.node.install import INSTANCE_LABEL
from domain.spec.scaling import ScalingPolicy

EVICTED = 300.0
"""Seconds after which the pods of a NotReady node are replaced, as by Kubernetes."""


@dataclass
class Ill:
    since: float
    stopped: bool


class Fleet(World):
    """Its times are seconds, and its pods are as many as the load says."""

    def __init__(self, policy: ScalingPolicy) -> None:
        super().__init__(policy)
        self.ill: dict[str, Ill] = {}
        self.lost: dict[str, float] = {}  # names of nodes without a machine, and since when
        self.never_join = 0  # so many of the next machines

    @property
    def nodes(self) -> list[Machine]:
        return [machine for machine in super().nodes if machine.id not in self.ill]

    @property
    def billed(self) -> int:
        return sum(machine.gone_at is None for machine in self.machines)

    # What happens to machines.

    def fall_ill(self, number: int, *, stopped: bool) -> bool:
        """Stop one of the machines, or its kubelet. Returns: whether it had served."""
        machine = self._pick(number)
        if machine is None or machine.id in self.ill:
            return False
        self.ill[machine.id] = Ill(self.now, stopped)
        return machine.ready_at <= self.now

    def vanish(self, number: int) -> bool:
        machine = self._pick(number)
        if machine is None:
            return False
        served = machine in self.nodes
        self._evict(machine)
        self.machines.remove(machine)
        self.ill.pop(machine.id, None)
        if machine.ready_at <= self.now:
            self.lost[machine.place.name] = self.now
        return served

    def recover(self, number: int) -> None:
        """Let a kubelet report again, or start a stopped machine."""
        if self.ill:
            del self.ill[sorted(self.ill)[number % len(self.ill)]]

    def _pick(self, number: int) -> Machine | None:
        there = [machine for machine in self.machines if machine.gone_at is None]
        return there[number % len(there)] if there else None

    # What the cluster does.

    def advance(self, now: float, wanted: int) -> None:
        super().advance(now, wanted)
        for machine in self.machines:
            ill = self.ill.get(machine.id)
            if ill and now - ill.since >= EVICTED:
                self._evict(machine)
        self._schedule()

    def _evict(self, machine: Machine) -> None:
        for pod in list(machine.place.residents):
            machine.place.change(pod, -1)
            self.waiting.append(pod)

    def carry_out(self, decision: Decision) -> None:
        match decision:
            case ScaleOut():
                self.launch(decision.add)
                for machine in self.machines[-decision.add :]:
                    if self.never_join > 0:
                        self.never_join -= 1
                        machine.ready_at = float("inf")
            case ScaleIn() | Repair() if decision.machine:
                self.remove(decision.machine)
            case Repair():
                del self.lost[decision.node]

    def snapshot(self, minimum: int, maximum: int) -> Snapshot:
        seen = super().snapshot(minimum, maximum)
        owners = {machine.node: machine.id for machine in seen.machines}
        lost = tuple(
            SeenNode(
                name,
                self.policy.group,
                ready=False,
                labels={INSTANCE_LABEL: "gone"},
                unready_seconds=self.now - since,
            )
            for name, since in self.lost.items()
        )
        return replace(
            seen,
            nodes=(*(self._with_health(node, owners[node.name]) for node in seen.nodes), *lost),
            machines=tuple(
                replace(machine, status=InstanceStatus.STOPPED)
                if machine.id in self.ill and self.ill[machine.id].stopped
                else machine
                for machine in seen.machines
            ),
        )

    def _with_health(self, node: SeenNode, machine: str) -> SeenNode:
        ill = self.ill.get(machine)
        if ill is None:
            return node
        return replace(node, ready=False, unready_seconds=self.now - ill.since)

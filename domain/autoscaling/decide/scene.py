"""The group as a decision uses it: machines matched with nodes, booting machines, bounds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from domain.autoscaling.decide.bounds import Bounds, bounds_at
from domain.autoscaling.decide.waiting import Waiting, sort_waiting
from domain.autoscaling.decision import Basis, Hold, Note, Reading, Reason
from domain.autoscaling.fit.packing import Packed, Room, pack
from domain.autoscaling.fit.place import Misfit, Place, place_of_node, place_of_template
from domain.autoscaling.memory.memory import LAUNCH_SECONDS, Memory
from domain.autoscaling.see.readings import Values, read_rule, read_values
from domain.autoscaling.see.snapshot import SeenMachine, SeenNode, SeenPod, Snapshot, Template
from domain.autoscaling.see.standings import standings_of
from domain.node.install import ADOPTED_LABEL
from domain.node.serving import Standing, State
from domain.spec.scaling import MetricRule, ScalingPolicy

SLACK_SECONDS = 5.0
"""Schedulers are not exact: an evaluation that is early by less than this counts as due."""


MOST_NOTES = 20


@dataclass(frozen=True, slots=True)
class Member:
    """A machine of the group with its node, if it has one."""

    machine: SeenMachine
    node: SeenNode | None


@dataclass
class Scene:
    """Values derived from a snapshot, a policy and a memory. Makes no decision.

    Args:
        repairs: about each broken machine, when or why not it is removed.
    """

    snapshot: Snapshot
    policy: ScalingPolicy
    memory: Memory
    repairs: Sequence[Note] = ()

    @cached_property
    def rules_due(self) -> bool:
        at, every = self.memory.rules_at, self.policy.interval_seconds
        return at is None or self.seconds_since(at) >= every - min(SLACK_SECONDS, every / 4)

    def seconds_since(self, moment: datetime) -> float:
        return (self.snapshot.time - moment).total_seconds()

    @cached_property
    def bounds(self) -> Bounds:
        group = Bounds(self.snapshot.minimum, self.snapshot.maximum)
        return bounds_at(self.policy, group, self.snapshot.time)

    @property
    def pods_per_node(self) -> int:
        """Places for workload pods on a node; the kubelet's limit bounds that of the policy."""
        most = self.snapshot.pods_per_node
        return min(self.policy.pods_per_node or most, most)

    @cached_property
    def standings(self) -> dict[str, Standing]:
        """By id of a machine, or by name of a node that has lost its machine."""
        return standings_of(self.snapshot, self.policy)

    @cached_property
    def _all(self) -> list[Member]:
        nodes = {node.name: node for node in self.snapshot.nodes}
        return [Member(machine, nodes.get(machine.node)) for machine in self.snapshot.machines]

    def _in_state(self, *states: State) -> list[Member]:
        return [m for m in self._all if self.standings[m.machine.id].state in states]

    @cached_property
    def members(self) -> list[Member]:
        """Machines that are neither broken nor being removed, with their nodes."""
        return self._in_state(State.BOOTING, State.SERVING, State.NOT_READY)

    @cached_property
    def broken(self) -> list[Member]:
        """Broken machines with their nodes: no capacity, but billed."""
        return self._in_state(State.BROKEN)

    @cached_property
    def lost_nodes(self) -> list[SeenNode]:
        """Nodes whose machine does not exist any more."""
        return [node for node in self.snapshot.nodes if node.name in self.standings]

    @cached_property
    def is_mass_failure(self) -> bool:
        """Whether so many machines fail at once that the cause is hardly the machines' own.

        Neither repairs nor purchases beyond the maximum of existing machines help then. One
        machine alone is none, however small the group is.
        """
        return self._down > 1 and self.share_down > self.policy.most_not_ready

    @property
    def share_down(self) -> float:
        """The share of machines that do not serve, of those that have served."""
        return self._down / max(1, self._joined)

    @property
    def down_text(self) -> str:
        return f"{self._down} of {self._joined}"

    @property
    def _down(self) -> int:
        return len(self.not_ready) + sum(member.node is not None for member in self.broken)

    @property
    def _joined(self) -> int:
        # A machine that has never joined says nothing about the others.
        return len(self.settled) + sum(member.node is not None for member in self.broken)

    @cached_property
    def leaving(self) -> list[SeenMachine]:
        return [member.machine for member in self._in_state(State.LEAVING)]

    @cached_property
    def booting(self) -> int:
        """Number of machines that will be nodes soon, including those just launched."""
        return len(self.booting_machines) + self.promised

    @cached_property
    def booting_machines(self) -> list[SeenMachine]:
        return [member.machine for member in self._in_state(State.BOOTING)]

    @cached_property
    def promised(self) -> int:
        out, back = self.memory.last_out, self.memory.last_in
        if out is None or (back and back.at >= out.at):
            return 0
        if self.seconds_since(out.at) >= LAUNCH_SECONDS:
            return 0
        known = self.memory.broken_since
        broken = sum(known.get(m.machine.id, self.snapshot.time) > out.at for m in self.broken)
        return max(0, out.target - len(self.members) - broken)

    @property
    def size(self) -> int:
        return len(self.members) + self.promised

    @cached_property
    def settled(self) -> list[Member]:
        """Members that have booted and have a node, Ready or not."""
        booting = {machine.id for machine in self.booting_machines}
        return [m for m in self.members if m.node and m.machine.id not in booting]

    @cached_property
    def measured(self) -> list[SeenNode]:
        """The nodes whose samples count."""
        return [m.node for m in self.settled if m.node and m.node.ready]

    @cached_property
    def not_ready(self) -> list[str]:
        return [m.node.name for m in self.settled if m.node and not m.node.ready]

    @cached_property
    def pods(self) -> int:
        """Number of running and pending workload pods in the cluster."""
        return sum(1 for _ in self.snapshot.workload())

    @cached_property
    def values(self) -> dict[MetricRule, Values]:
        return {rule: read_values(self.snapshot, rule, self.measured) for rule in self.policy.rules}

    @cached_property
    def readings(self) -> dict[MetricRule, Reading]:
        """The reading of each rule; before the interval is over no rule fires."""
        found = {rule: read_rule(rule, values) for rule, values in self.values.items()}
        if self.rules_due:
            return found
        return {
            rule: replace(reading, fires=False, obstacle=reading.obstacle or Reason.NOT_DUE)
            for rule, reading in found.items()
        }

    @cached_property
    def room(self) -> Room:
        """The free resources of schedulable nodes.

        Pods of other nodes still count for affinity and spreading, unless their node is being
        removed or counts as an empty machine. A node that still counts as Ready, although its
        machine is switched off, takes no pod.
        """
        leaving = {machine.node for machine in self.leaving}
        off = {member.machine.node for member in self.broken}
        off |= {node.name for node in self.lost_nodes}
        booting = {machine.node for machine in self.booting_machines}
        places: list[Place] = []
        closed: list[Place] = []
        for node in self.snapshot.nodes:
            if node.ready and node.schedulable and node.name not in leaving | off:
                places.append(place_of_node(node))
            elif node.name not in leaving | booting:
                closed.append(place_of_node(node))
        return Room(places, closed)

    @cached_property
    def templates(self) -> Sequence[Template]:
        """The templates; of a type without nodes as its former nodes have shown it."""
        shown = self.memory.shown
        return [
            template
            if template.is_seen or template.instance_type not in shown
            else replace(
                template,
                allocatable=shown[template.instance_type].allocatable,
                places=min(template.places, shown[template.instance_type].places),
            )
            for template in self.snapshot.templates
        ]

    @cached_property
    def template(self) -> Template | None:
        """The first instance type that is not backing off after failed launches."""
        return next((t for t in self.templates if not self._troubled(t)), None)

    def _troubled(self, template: Template) -> bool:
        trouble = self.memory.troubles.get(template.instance_type)
        return trouble is not None and trouble.until > self.snapshot.time

    @cached_property
    def waiting(self) -> Waiting:
        """The waiting pods by whether machines are bought for them."""
        return sort_waiting(self.snapshot, self.policy, self.memory)

    @property
    def pending(self) -> Sequence[SeenPod]:
        """The pods that machines are bought for."""
        return self.waiting.pending

    @cached_property
    def packed(self) -> Packed | None:
        """The pending pods packed onto nodes, then booting machines, then new ones.

        None where no template of a machine is known.
        """
        if not self.pending:
            return Packed(0)
        template = self.template or (self.templates[0] if self.templates else None)
        if template is None:
            return None
        for number in range(self.booting):
            name = f"booting {number + 1}"
            self.room.add(place_of_template(template, self.pods_per_node, name))
        return pack(self.pending, self.room, template, self.pods_per_node)

    @property
    def unfit(self) -> Sequence[tuple[str, Misfit]]:
        """Pending pods that no template of the group can hold, and why."""
        return [(pod.title, misfit) for pod, misfit in self.packed.unfit] if self.packed else []

    @property
    def placeable(self) -> int:
        """Number of pending pods that some machine can hold."""
        return len(self.pending) - len(self.unfit)

    @property
    def waiting_text(self) -> str:
        """The number of these pods and the first names, for a sentence."""
        unfit = {title for title, _ in self.unfit}
        titles = [pod.title for pod in self.pending if pod.title not in unfit]
        more = f" and {len(titles) - 3} more" if len(titles) > 3 else ""
        return f"{len(titles)}; {', '.join(titles[:3])}{more}"

    @cached_property
    def notes(self) -> list[Note]:
        """Irregularities of the group, independent of the decision."""
        notes = [
            Note(Reason.NO_MACHINE_HOLDS, f"pod {pod}", str(misfit))
            for pod, misfit in self.unfit[:5]
        ]
        notes += self.waiting.notes
        notes += [Note(Reason.CLOCKS_DIFFER, words) for words in self.snapshot.doubts]
        notes += [
            Note(Reason.HAND_MADE, member.machine.id)
            for member in self.members
            if not member.machine.ours
        ]
        known = {machine.node for machine in self.snapshot.machines} | self.standings.keys()
        notes += [
            Note(Reason.NODE_WITHOUT_MACHINE, node.name)
            for node in self.snapshot.nodes
            if node.group == self.policy.group
            and node.name not in known
            and ADOPTED_LABEL not in node.labels
        ]
        return notes[:MOST_NOTES]

    def basis(self, reason: Reason, detail: str, refusals: Sequence[Note] = ()) -> Basis:
        """The facts behind a decision for this reason."""
        readings = tuple(self.readings.values())
        notes = (*refusals, *self.repairs[:MOST_NOTES], *self.notes)
        return Basis(reason, self.size, self.booting, detail, readings, notes)

    def hold(self, reason: Reason, detail: str, refusals: Sequence[Note] = ()) -> Hold:
        return Hold(self.basis(reason, detail, refusals))

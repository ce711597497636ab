"""What is broken in a cluster, and what a repair on request would do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.autoscaling.decide.repair import Patient
from domain.autoscaling.see.snapshot import SeenMachine, SeenNode
from domain.cloud.plan import Action, Plan, PlanItem
from domain.cloud.records import Instance
from domain.kernel.names import MASTERS, Names
from domain.node.install import GROUP_LABEL
from domain.node.remove import find_lost_nodes
from domain.node.serving import Fault, State
from domain.observe.cost import price_plan
from tasks.autoscaling import judge_broken
from tasks.cases import Input
from tasks.cluster import Cluster
from tasks.control_plane import ready_nodes
from tasks.standings import read_standings


@dataclass(frozen=True)
class GroupRepair:
    """What is done for one group of machines.

    Attributes:
        leaving: broken machines, and nodes that have lost their machine.
        missing: how many machines the group lacks then.
        unfinished: ids of machines that boot, or that a run which was cut off has not finished.
    """

    group: str
    leaving: tuple[Patient, ...]
    missing: int
    unfinished: tuple[str, ...]

    @property
    def is_some(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.leaving or self.missing or self.unfinished)


@dataclass(frozen=True)
class Staying:
    """Something broken that stays, with the reason."""

    group: str
    name: str
    why: str


@dataclass(frozen=True)
class Repairs:
    """What is broken in a cluster, and what would be done about it."""

    found: Input
    groups: tuple[GroupRepair, ...]
    staying: tuple[Staying, ...]

    def machines(self, repair: GroupRepair) -> tuple[Instance, ...]:
        """The broken machines of a group that leave."""
        ids = {one.machine.id for one in repair.leaving if one.machine}
        return tuple(one for one in self.found.machines.instances if one.id in ids)

    def plan(self) -> Plan:
        """The plan, with its prices."""
        cluster = self.found.cluster
        items = (*self._changes(Names(cluster.name)), *self._kept(Names(cluster.name)))
        return price_plan(Plan(cluster.name, items), cluster.inventory(), cluster.spec)

    def _changes(self, names: Names) -> Iterator[PlanItem]:
        for repair in self.groups:
            name, count = names.group(repair.group), repair.missing
            for one in repair.leaving:
                kind, called = ("machine", name) if one.machine else ("node", one.name)
                yield PlanItem(kind, called, Action.DELETE, one.fault, one.name, billed=True)
            for machine in repair.unfinished:
                yield PlanItem("machine", name, Action.CHANGE, "is not finished yet", machine)
            if count:
                reason = "in place of broken ones" if repair.leaving else "are missing"
                yield PlanItem("machine", name, Action.CREATE, reason, count=count, billed=True)

    def _kept(self, names: Names) -> Iterator[PlanItem]:
        for one in self.staying:
            yield PlanItem("machine", names.group(one.group), Action.KEEP, one.why, one.name)


def find_repairs(found: Input, group: str = "", *, force: bool = False) -> Repairs:
    """Find what is broken, and machines that are missing, as after a repair that was cut off.

    Args:
        group: only this group of nodes; all if empty.
        force: also replace where so many are broken that the cause is hardly the machines' own.

    Raises:
        InvalidSpec: there is no such group of nodes.
    """
    spec = found.cluster.spec
    if group and group != MASTERS:
        spec.nodes_of(group)
    repairs, staying = [], list[Staying]()
    if group in ("", MASTERS):
        masters, staying = _judge_masters(found)
        repairs += [masters] if masters.is_some else []
    for name in (group,) if group else found.groups:
        if name == MASTERS:
            continue
        judged = judge_broken(found.case(group=name), force=force)
        staying += [
            Staying(name, one.name, f"is broken ({one.fault}); {why}") for one, why in judged if why
        ]
        leaving = tuple(one for one, why in judged if not why)
        machines = found.machines.group(name)
        left = len(machines) - sum(bool(one.machine) for one in leaving)
        repair = GroupRepair(
            name, leaving, max(0, spec.count(name) - left), _unfinished(found, machines)
        )
        if repair.is_some:
            repairs.append(repair)
    return Repairs(found, tuple(repairs), tuple(staying))


def _unfinished(found: Input, machines: Sequence[Instance]) -> tuple[str, ...]:
    standings = read_standings(found.cluster, machines)
    return tuple(one for one, standing in standings.items() if standing.state is State.BOOTING)


def _judge_masters(found: Input) -> tuple[GroupRepair, list[Staying]]:
    """Broken masters are replaced while others serve; whether those are a quorum is asked later."""
    cluster, masters = found.cluster, found.machines.masters
    wanted = cluster.spec.masters.count
    standings = read_standings(cluster, masters)
    broken = {one: standings[one.id].fault for one in masters if standings[one.id].fault}
    if len(broken) == len(masters) or max(wanted, len(masters)) == 1:
        why = "and is the only master: start it in the console"
        why = "and so are all masters: start them in the console" if len(masters) > 1 else why
        staying = [
            Staying(MASTERS, one.id, f"is broken ({fault}) {why}") for one, fault in broken.items()
        ]
        return GroupRepair(MASTERS, (), 0, ()), staying
    leaving = [
        Patient(_seen(cluster, one), None, fault, one.created_at)
        for one, fault in broken.items()
        if fault
    ]
    now, nodes = datetime.now(UTC), cluster.api().list_nodes()
    lost = [
        Patient(None, SeenNode(node, MASTERS), Fault.GONE, now)
        for node in find_lost_nodes(
            [one for one in nodes if one.labels.get(GROUP_LABEL) == MASTERS], found.machines
        )
    ]
    missing, ready = max(0, wanted - len(masters) + len(broken)), ready_nodes(cluster)
    behind = {backend.instance_id for backend in cluster.inventory().backends}
    unfinished = tuple(
        one.id
        for one in masters
        if one not in broken and (cluster.node_name(one) not in ready or one.id not in behind)
    )
    return GroupRepair(MASTERS, (*lost, *leaving), missing, unfinished), []


def _seen(cluster: Cluster, machine: Instance) -> SeenMachine:
    return SeenMachine(
        machine.id,
        cluster.node_name(machine),
        machine.created_at,
        status=machine.status,
        transition=machine.transition,
    )


def describe_staying(staying: Sequence[Staying]) -> str:
    return "; ".join(f"{one.name} {one.why}" for one in staying)

"""How a cluster differs from its stored description."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.autoscaling.see.state import LEAVING
from domain.cloud.foreign import Surroundings
from domain.cloud.inventory import Inventory
from domain.cloud.plan import Action, Plan, PlanItem
from domain.cloud.planning import BY_HAND, plan_cluster
from domain.cloud.records import Instance
from domain.cluster.api import Node
from domain.kernel.names import Names
from domain.node.drain import CORDONED
from domain.node.install import INSTANCE_LABEL
from domain.node.ready import is_marked
from domain.node.remove import find_lost_nodes
from domain.spec.cluster import ClusterSpec

BOOTING = timedelta(minutes=15)
"""How long a new machine may take to become a node."""


class Kind(StrEnum):
    """The kinds of differences."""

    MISSING = "missing"
    CHANGED = "changed"
    EXTRA = "extra"
    UNFINISHED = "unfinished"
    IDLE = "paid, not serving"
    BY_HAND = "made by hand"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; what was made by hand is listed and respected, and is no drift."""

    kind: Kind
    resource: str
    name: str
    reason: str
    id: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class DriftReport:
    """All differences of a cluster, in the order of `Kind`."""

    cluster: str
    differences: tuple[Difference, ...] = ()

    @property
    def drifted(self) -> tuple[Difference, ...]:
        return tuple(one for one in self.differences if one.kind is not Kind.BY_HAND)

    @property
    def sentence(self) -> str:
        if not self.drifted:
            return f"cluster {self.cluster} is as described"
        points = "1 point" if len(self.drifted) == 1 else f"{len(self.drifted)} points"
        return f"cluster {self.cluster} differs from its description in {points}"


def find_drift(
    spec: ClusterSpec,
    inventory: Inventory,
    surroundings: Surroundings,
    nodes: Sequence[Node],
    now: datetime,
) -> DriftReport:
    """Compare a description with the cloud's resources and the cluster's nodes."""
    found = [
        *_of_plan(plan_cluster(spec, inventory)),
        *_of_counts(spec, inventory),
        *_of_machines(inventory, nodes, now),
        *_of_nodes(inventory, nodes),
        *_of_surroundings(surroundings),
    ]
    order = list(Kind)
    return DriftReport(spec.name, tuple(sorted(found, key=lambda one: order.index(one.kind))))


def _of_plan(plan: Plan) -> Iterator[Difference]:
    """What `provision` would do, and what it names without a change."""
    for item in plan.items:
        match item.action:
            case Action.CREATE:
                yield _difference(Kind.MISSING, item)
            case Action.DELETE:
                yield _difference(Kind.EXTRA, item)
            case Action.CHANGE | Action.REPLACE:
                begun = "not applied yet" in item.reason or "not joined" in item.reason
                yield _difference(Kind.UNFINISHED if begun else Kind.CHANGED, item)
            case Action.KEEP if item.reason == BY_HAND:
                yield _difference(Kind.BY_HAND, item)
            case Action.KEEP if item.kind == "public address" and "wanted is" in item.reason:
                yield _difference(Kind.CHANGED, item)


def _difference(kind: Kind, item: PlanItem) -> Difference:
    return Difference(kind, item.kind, item.name, item.reason, item.id, item.count)


def _of_counts(spec: ClusterSpec, inventory: Inventory) -> Iterator[Difference]:
    for group in inventory.groups_beside(spec.group_names):
        existing, wanted = len(inventory.group(group)), spec.count(group)
        if existing > wanted:
            name, over = Names(spec.name).group(group), existing - wanted
            reason = f"{existing} exist, {wanted} wanted"
            yield Difference(Kind.EXTRA, "machine", name, reason, count=over)


def _of_machines(
    inventory: Inventory, nodes: Sequence[Node], now: datetime
) -> Iterator[Difference]:
    """Machines that are billed and run no pods."""
    by_machine = {node.labels.get(INSTANCE_LABEL, ""): node for node in nodes}
    for machine in inventory.instances:
        reason = _why_idle(machine, by_machine.get(machine.id))
        if reason:
            is_new = now - machine.created_at < BOOTING
            kind = Kind.UNFINISHED if is_new else Kind.IDLE
            yield Difference(kind, "machine", machine.name, reason, machine.id)


def _why_idle(machine: Instance, node: Node | None) -> str:
    if not machine.is_up:
        return f"is {machine.transition or machine.status}"
    if node is None:
        return "is not a node"
    return "" if node.ready else "its node is not Ready"


def _of_nodes(inventory: Inventory, nodes: Sequence[Node]) -> Iterator[Difference]:
    lost = find_lost_nodes(nodes, inventory)
    for node in nodes:
        if node.name in lost:
            reason = "its machine does not exist any more"
            yield Difference(Kind.EXTRA, "node", node.name, reason)
        elif not node.schedulable and (by := node.annotations.get(LEAVING)):
            yield Difference(Kind.UNFINISHED, "node", node.name, f"its removal was begun by {by}")
        elif not node.schedulable and CORDONED in node.annotations:
            reason = "was cordoned for its removal, which is not finished"
            yield Difference(Kind.UNFINISHED, "node", node.name, reason)
        elif not node.schedulable:
            yield Difference(Kind.BY_HAND, "node", node.name, "cordoned")
        elif not is_marked(node):
            reason = "lacks a label of its role, or the annotation of its machine"
            yield Difference(Kind.UNFINISHED, "node", node.name, reason)


def _of_surroundings(surroundings: Surroundings) -> Iterator[Difference]:
    addons = surroundings.addons
    for balancer in addons.balancers:
        if not addons.requests.purpose_of(balancer):
            reason = "made by an add-on; no Service asks for it"
            yield Difference(Kind.IDLE, "load balancer", balancer.name, reason, balancer.id)
    for one in surroundings.foreign:
        yield Difference(Kind.BY_HAND, one.kind, one.name, f"uses {one.where}", one.id)

"""Which machines differ from their group's template, and what a rollout would do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain.cloud.outdated import find_difference, recipe_of
from domain.cloud.plan import Action, Plan, PlanItem
from domain.cloud.preflight import choose
from domain.cloud.records import Instance
from domain.cluster.api import Node
from domain.kernel.ensured import Ensured
from domain.kernel.errors import BadRequest
from domain.kernel.names import Names
from domain.kernel.texts import first_of
from domain.node.batches import next_batch
from domain.node.drain import CORDONED
from domain.node.exempt import is_exempt
from domain.node.health import Health, wait_until_well
from domain.observe.cost import price_plan
from domain.spec.scaling import ScalingPolicy
from tasks.cases import Input
from tasks.cluster import Cluster
from tasks.overview import check
from tasks.standings import read_standings
from tasks.steps import step


@dataclass(frozen=True)
class Outdated:
    """A machine that differs from a new one of its group.

    Attributes:
        stays: why it is left as it is; empty for one that is replaced.
    """

    machine: Instance
    difference: str
    stays: str = ""


@dataclass(frozen=True)
class GroupRollout:
    """What is done for one group of nodes.

    Attributes:
        size: the wanted number of machines, which the group has again at the end.
        has_new: whether one of its machines is as wanted already, so that no canary is needed.
    """

    group: str
    size: int
    machines: tuple[Outdated, ...]
    has_new: bool

    @property
    def leaving(self) -> tuple[Instance, ...]:
        return tuple(one.machine for one in self.machines if not one.stays)

    def most_at_once(self, share: int) -> int:
        """The largest number of machines that exist beside the wanted ones."""
        return next_batch(len(self.leaving), self.size, share, is_canary=False)


@dataclass(frozen=True)
class Rollouts:
    """What a rollout does: to which machines of which groups, and how many at a time.

    Attributes:
        share: machines of a group that are replaced at a time, in percent.
    """

    found: Input
    groups: tuple[GroupRollout, ...]
    share: int

    @property
    def staying(self) -> tuple[Outdated, ...]:
        return tuple(one for group in self.groups for one in group.machines if one.stays)

    def plan(self) -> Plan:
        """The plan, with its prices."""
        cluster = self.found.cluster
        items = tuple(item for group in self.groups for item in self._items(group))
        return price_plan(Plan(cluster.name, items), cluster.inventory(), cluster.spec)

    def _items(self, rollout: GroupRollout) -> Iterator[PlanItem]:
        name = Names(self.found.cluster.name).group(rollout.group)
        for one in rollout.machines:
            action, reason = Action.DELETE, one.difference
            if one.stays:
                action, reason = Action.KEEP, f"{one.difference}, and stays: {one.stays}"
            yield PlanItem("machine", name, action, reason, one.machine.id, billed=True)
        if count := len(rollout.leaving):
            most = rollout.most_at_once(self.share)
            reason = f"in their place: one first, then {most} at a time beside the others"
            yield PlanItem("machine", name, Action.CREATE, reason, count=count, billed=True)


def find_rollouts(found: Input, group: str = "", share: int = 20, version: str = "") -> Rollouts:
    """Find the machines that differ from their group's template.

    Args:
        group: only this group of nodes; all if empty.
        version: also those whose kubelet has another version than this one, such as `1.36.4`.

    Raises:
        InvalidSpec: there is no such group, or a template is not valid here.
        QuotaReached: the quota has no room for the machines that exist beside the others.
        BadRequest: a machine that is as wanted is broken.
    """
    cluster = found.cluster
    if group:
        cluster.spec.nodes_of(group)
    images = choose(cluster.cloud, cluster.spec).images
    nodes = {node.name: node for node in cluster.api().list_nodes()}
    rollouts = []
    for name in (group,) if group else found.groups:
        machines = found.machines.group(name)
        recipe = recipe_of(cluster.spec, name, images[name].id)
        outdated = []
        for machine in machines:
            node = nodes.get(cluster.node_name(machine))
            difference = find_difference(machine, recipe) or _old_version(node, version)
            if difference:
                stays = _why_it_stays(found, name, machine, node)
                outdated.append(Outdated(machine, difference, stays))
        if outdated:
            ids = {one.machine.id for one in outdated}
            new = [machine for machine in machines if machine.id not in ids]
            _check_unbroken(cluster, name, new)
            size = cluster.spec.count(name)
            rollouts.append(GroupRollout(name, size, tuple(outdated), bool(new)))
    _check_room(cluster, rollouts, share)
    return Rollouts(found, tuple(rollouts), share)


def _old_version(node: Node | None, version: str) -> str:
    if not version or node is None or node.version == f"v{version}":
        return ""
    return f"runs {node.version.removeprefix('v')}, {version} is wanted"


def _why_it_stays(found: Input, group: str, machine: Instance, node: Node | None) -> str:
    cluster = found.cluster
    policy = cluster.spec.policy(group)
    patterns = policy.exempt if isinstance(policy, ScalingPolicy) else ()
    names = (machine.id, cluster.node_name(machine))
    has_our_key = cluster.inventory().has_our_key(machine)
    if not has_our_key and machine.id not in cluster.credentials().host_keys:
        return "it was made by hand"
    if is_exempt(names, node.labels if node else {}, patterns):
        return "it is exempt"
    if node and not node.schedulable and CORDONED not in node.annotations:
        return "its node was cordoned by hand"
    return ""


def _check_unbroken(cluster: Cluster, group: str, machines: Sequence[Instance]) -> None:
    standings = read_standings(cluster, machines)
    broken = [f"{one} ({found.fault})" for one, found in standings.items() if found.is_broken]
    if broken:
        raise BadRequest(
            f"{first_of(broken)} of group {group} is as its template wants it, and broken; look "
            f"why, then replace it with: python -m flows.repair --name {cluster.name} "
            f"--group {group}"
        )


def _check_room(cluster: Cluster, rollouts: Sequence[GroupRollout], share: int) -> None:
    """Check that the machines that come first have room; they come before the old ones go."""
    for one in rollouts:
        if one.leaving:
            check(with_size(cluster, one.group, one.size + one.most_at_once(share)))


def with_size(cluster: Cluster, group: str, count: int) -> Cluster:
    """The handle with a size of a group that may exceed its bounds until others leave."""
    most = max(count, cluster.spec.nodes_of(group).maximum)
    return cluster.wanting(cluster.spec.with_group(group, {"count": count, "maximum": most}))


@step("health of {cluster.name} after {what}")
def check_health(cluster: Cluster, before: Health, what: str) -> Ensured[None]:
    """Wait until no more nodes and pods are ill than before; else the change ends here."""
    return wait_until_well(cluster.api(), before, what, clock=cluster.clock)

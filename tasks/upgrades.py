"""What an upgrade of a cluster does, and its steps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.cloud.plan import Action, Plan, PlanItem
from domain.cloud.records import Instance
from domain.cluster.api import Node
from domain.cluster.versions import Running, check_removed, check_version
from domain.kernel.ensured import Ensured
from domain.kernel.errors import BadRequest
from domain.kernel.names import MASTERS, Names
from domain.kernel.texts import first_of
from domain.node import install
from domain.node.batches import next_batch
from domain.node.drain import CORDONED
from domain.observe.cost import price_plan
from domain.spec.cluster import changed
from tasks.cases import Input
from tasks.cluster import Cluster
from tasks.installers import installer_files
from tasks.rollouts import Rollouts, find_rollouts
from tasks.shells import open_shell
from tasks.standings import read_standings
from tasks.steps import report_progress, step

SCRIPT = "k8s_upgrade_installer.sh"


@dataclass(frozen=True)
class GroupUpgrade:
    """The machines of one group of nodes whose kubelets have another version.

    Attributes:
        size: all machines of the group.
        has_new: whether one of its kubelets has the wanted version, so that no canary is needed.
    """

    group: str
    size: int
    machines: tuple[Instance, ...]
    has_new: bool


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade does.

    Attributes:
        found: the cluster, with the description that it has afterwards.
        before: the version of the description that it stores now.
        running: the versions that run.
        masters: those that do not have the wanted version.
        groups: of the nodes that are upgraded in place.
        rollouts: of the nodes that are replaced instead; None where they are upgraded in place.
        cordoned: machines that have the wanted version, and are still cordoned by an earlier run.
        share: nodes of a group at a time, in percent.
    """

    found: Input
    before: str
    running: Running
    masters: tuple[Instance, ...]
    groups: tuple[GroupUpgrade, ...]
    rollouts: Rollouts | None
    cordoned: tuple[Instance, ...]
    share: int

    @property
    def cluster(self) -> Cluster:
        return self.found.cluster

    @property
    def version(self) -> str:
        return self.cluster.spec.kubernetes.version

    @property
    def is_stored(self) -> bool:
        return self.before == self.version

    def plan(self) -> Plan:
        """The plan, with its prices."""
        name = self.cluster.name
        items = tuple(self._items())
        if self.rollouts:
            items += self.rollouts.plan().items
        return price_plan(Plan(name, items), self.cluster.inventory(), self.cluster.spec)

    def _items(self) -> Iterator[PlanItem]:
        names, wanted = Names(self.cluster.name), self.version
        if self.masters:
            reason = "before the first change"
            yield PlanItem("snapshot", "etcd", Action.CREATE, reason, self.masters[0].id)
        for machine in self.masters:
            reason = f"control plane and kubelet: {self._version_of(machine)} → {wanted}"
            yield PlanItem("machine", names.group(MASTERS), Action.CHANGE, reason, machine.id)
        if not self.is_stored:
            reason = f"{self.before} → {wanted}"
            yield PlanItem("description", "kubernetes.version", Action.CHANGE, reason)
        for group in self.groups:
            for machine in group.machines:
                reason = f"emptied, kubelet {self._version_of(machine)} → {wanted}"
                yield PlanItem(
                    "machine", names.group(group.group), Action.CHANGE, reason, machine.id
                )
        for machine in self.cordoned:
            group_name = names.group(self.cluster.group_of(machine))
            yield PlanItem("machine", group_name, Action.CHANGE, "is still cordoned", machine.id)

    def _version_of(self, machine: Instance) -> str:
        node = self.cluster.node_name(machine)
        found = self.running.masters.get(node) or self.running.kubelets[node]
        return found.removeprefix("v")


def find_upgrade(
    found: Input, version: str, share: int = 20, *, replace: bool = False, force: bool = False
) -> Upgrade:
    """Find what an upgrade to this version has to do; sends the cluster reads only.

    Args:
        version: such as `1.36.4`.
        replace: replace the nodes by new machines, instead of an upgrade in place.
        force: also where clients use APIs that the version lacks.

    Raises:
        InvalidSpec: the version is not allowed, or lacks APIs that clients use.
        BadRequest: a machine is broken.
    """
    stored, api = found.cluster.spec, found.cluster.api()
    before = stored.kubernetes.version
    spec = changed(stored, {"kubernetes": {"version": version}})
    wanted = Input(found.cluster.wanting(spec), found.machines)
    nodes = {node.name: node for node in api.list_nodes()}
    kubelets = {name: node.version for name, node in nodes.items()}
    running = Running(api.read_masters(), kubelets, before)
    check_version(running, version)
    if running.stored != version:
        check_removed(api.read_requested_apis(), version, force=force)
    _check_unbroken(wanted)
    name_of = found.cluster.node_name
    masters = tuple(
        one for one in found.machines.masters if _is_old(running, name_of(one), version)
    )
    rollouts = find_rollouts(wanted, share=share, version=version) if replace else None
    groups = () if replace else tuple(_groups(wanted, nodes, version))
    cordoned = tuple(
        one
        for one in found.machines.instances
        if _is_left_cordoned(nodes.get(name_of(one)), version)
    )
    return Upgrade(wanted, before, running, masters, groups, rollouts, cordoned, share)


def _is_old(running: Running, node: str, version: str) -> bool:
    wanted = f"v{version}"
    return running.masters.get(node) != wanted or running.kubelets.get(node) != wanted


def _is_left_cordoned(node: Node | None, version: str) -> bool:
    return node is not None and node.version == f"v{version}" and CORDONED in node.annotations


def _groups(found: Input, nodes: Mapping[str, Node], version: str) -> Iterator[GroupUpgrade]:
    """The groups with nodes of another version; a machine that is no node yet becomes a new one."""
    for group in found.machines.groups:
        if group == MASTERS:
            continue
        machines = found.machines.group(group)
        joined = [one for one in machines if found.cluster.node_name(one) in nodes]
        old = tuple(
            one for one in joined if nodes[found.cluster.node_name(one)].version != f"v{version}"
        )
        if old:
            yield GroupUpgrade(group, len(joined), old, has_new=len(old) < len(joined))


def _check_unbroken(found: Input) -> None:
    standings = read_standings(found.cluster, found.machines.instances)
    broken = [
        f"{one} ({standing.fault})" for one, standing in standings.items() if standing.is_broken
    ]
    if broken:
        raise BadRequest(
            f"{first_of(broken)} of cluster {found.cluster.name} cannot be upgraded, because it is "
            f"broken; repair it first with: python -m flows.repair --name {found.cluster.name}"
        )


def batches(group: GroupUpgrade, share: int) -> Iterator[Sequence[Instance]]:
    """The machines of a group that are emptied and upgraded together: one, then shares."""
    left, has_new = group.machines, group.has_new
    while left:
        count = next_batch(len(left), group.size, share, is_canary=not has_new)
        yield left[:count]
        left, has_new = left[count:], True


def can_be_emptied(cluster: Cluster, master: Instance) -> bool:
    """Whether another master could take what runs on this one."""
    names = {cluster.node_name(one) for one in cluster.machines().masters if one.id != master.id}
    nodes = cluster.api().list_nodes()
    return any(node.name in names and node.ready and node.schedulable for node in nodes)


@step("packages for the upgrade on {machine.id}")
def prepare_upgrade(cluster: Cluster, machine: Instance) -> Ensured[None]:
    """Install kubeadm and pull the images; nothing that runs changes."""
    return _run(cluster, machine, "prepare")


@step("upgrade of {machine.id}")
def upgrade_machine(cluster: Cluster, machine: Instance) -> Ensured[None]:
    """Upgrade a master's control plane and its kubelet, or a node's kubelet."""
    return _run(cluster, machine, "upgrade")


def _run(cluster: Cluster, machine: Instance, word: str) -> Ensured[None]:
    group = cluster.group_of(machine)
    settings = install.common_settings(cluster.spec, machine, group, cluster.endpoints())
    with open_shell(cluster, machine) as shell:
        install.upload_installers(shell, installer_files())
        changed = install.run_installer(shell, SCRIPT, [word], settings, report_progress)
    version = cluster.spec.kubernetes.version
    return Ensured(None, f"{version} {'done' if changed else 'kept'}")

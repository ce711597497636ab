"""Resources that are not the cluster's own, and use something that is.

The cloud refuses to delete what is in use, so a teardown looks for them before its first deletion.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from domain.cloud.addons import AddOns, Requests, read_addons
from domain.cloud.api import Cloud
from domain.cloud.inventory import Inventory
from domain.cloud.records import LoadBalancer
from domain.kernel.errors import ForeignInside
from domain.kernel.texts import first_of


@dataclass(frozen=True, slots=True)
class Foreign:
    """One foreign resource.

    Attributes:
        where: the id of the cluster's resource that it uses.
        holds: whether that resource cannot be deleted meanwhile.
    """

    kind: str
    id: str
    name: str
    where: str
    holds: bool = True

    def __str__(self) -> str:
        name = f" ({self.name})" if self.name else ""
        return f"{self.kind} {self.id}{name}"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a teardown meets besides the cluster's own resources.

    Attributes:
        keeps_addons: whether what the add-ons have made outlives the cluster.
    """

    addons: AddOns = field(default_factory=AddOns)
    foreign: tuple[Foreign, ...] = ()
    keeps_addons: bool = False

    @property
    def holders(self) -> Iterator[Foreign]:
        """Everything that outlives the cluster, and uses a part of it."""
        yield from (one for one in self.foreign if one.holds)
        if self.keeps_addons:
            for one in self.addons.balancers:
                yield Foreign("load balancer", one.id, one.name, one.vxnet_id)


def read_surroundings(
    cloud: Cloud, inventory: Inventory, requests: Requests, *, keeps_addons: bool = False
) -> Surroundings:
    """Read what the add-ons have made, and what is foreign: four calls where there is neither."""
    addons = read_addons(cloud, inventory, requests)
    foreign = tuple(_find_foreign(cloud.known, inventory, addons))
    return Surroundings(addons, foreign, keeps_addons)


def _find_foreign(cloud: Cloud, inventory: Inventory, addons: AddOns) -> Iterator[Foreign]:
    ours = inventory.resource_ids
    inventory = inventory.own  # what uses an adopted network is none of our business
    vxnets = {vxnet.id for vxnet in inventory.vxnets}
    if inventory.vpc:
        for vxnet_id in inventory.vpc.vxnet_ids:
            if vxnet_id not in vxnets:
                yield Foreign("vxnet", vxnet_id, "", inventory.vpc.id)
    yield from _machines(cloud, inventory)
    for balancer in cloud.list_loadbalancers():
        if balancer.id not in ours and balancer.id not in addons.ids:
            for where in _used_by(balancer, inventory):
                yield Foreign("load balancer", balancer.id, balancer.name, where)
    if vxnets:
        yield from _cards(cloud, inventory, sorted(vxnets))
    attached = [one for machine in inventory.instances for one in machine.volume_ids]
    if unknown := [volume_id for volume_id in attached if volume_id not in addons.ids]:
        for volume in cloud.read_volumes(unknown):
            where = volume.instance_id
            yield Foreign("volume", volume.id, volume.name, where, holds=False)


def _machines(cloud: Cloud, inventory: Inventory) -> Iterator[Foreign]:
    """Foreign machines in our vxnets, with our key pair, or behind our firewalls."""
    uses = [(user, vxnet.id) for vxnet in inventory.vxnets for user in vxnet.instance_ids]
    if inventory.keypair:
        uses += [(user, inventory.keypair.id) for user in inventory.keypair.instance_ids]
    for group in (inventory.firewall, inventory.machine_group):
        uses += [(user, group.id) for user in group.user_ids] if group else ()
    ours = inventory.resource_ids
    others = [(user, where) for user, where in uses if user not in ours and user[:2] == "i-"]
    if not others:
        return
    # The lists may name machines that are deleted, or that the cloud hides from its users.
    existing = {one.id: one for one in cloud.read_instances([user for user, _ in others])}
    for user, where in others:
        if machine := existing.get(user):
            yield Foreign("machine", machine.id, machine.name, where)


def _cards(cloud: Cloud, inventory: Inventory, vxnets: Sequence[str]) -> Iterator[Foreign]:
    """Network cards beside the first ones of our machines.

    Those of machines that the cloud hides, such as a router's, are its own affair.
    """
    first = {machine.nic_id for machine in inventory.instances}
    others = [nic for nic in cloud.list_nics(vxnets) if nic.id not in first]
    users = sorted({nic.instance_id for nic in others if nic.instance_id})
    shown = {machine.id for machine in cloud.read_instances(users)} if users else set()
    for nic in others:
        if not nic.instance_id or nic.instance_id in shown:
            yield Foreign("network card", nic.id, nic.name, nic.vxnet_id)


def _used_by(balancer: LoadBalancer, inventory: Inventory) -> Iterator[str]:
    """Our resources that a foreign load balancer uses."""
    if balancer.vxnet_id in {vxnet.id for vxnet in inventory.vxnets}:
        yield balancer.vxnet_id
    for group in (inventory.firewall, inventory.machine_group):
        if group and group.id == balancer.security_group_id:
            yield group.id


def find_staying(inventory: Inventory, surroundings: Surroundings) -> Mapping[str, str]:
    """The cluster's resources that cannot be deleted yet, by id, with the reason in words.

    A machine needs its vxnet; that needs its router; and the router's public address is the way
    out of everything inside.
    """
    reasons: dict[str, list[str]] = {}
    for holder in surroundings.holders:
        reasons.setdefault(holder.where, []).append(str(holder))
    staying = {where: f"used by {first_of(users)}" for where, users in reasons.items()}
    inventory = inventory.own
    vpc, inside = inventory.vpc, {vxnet.id for vxnet in inventory.vxnets}
    if vpc is None:
        return staying
    if held := [vxnet_id for vxnet_id in inside if vxnet_id in staying]:
        staying.setdefault(vpc.id, f"used by vxnet {first_of(sorted(held))}")
    if vpc.id in staying:
        for part in (inventory.firewall, inventory.address):
            if part:
                staying.setdefault(part.id, f"used by router {vpc.id}")
    return staying


def refuse_foreign(inventory: Inventory, surroundings: Surroundings) -> None:
    """Refuse to tear a cluster down around resources that are not its own.

    Raises:
        ForeignInside: names them, and what to do.
    """
    if not surroundings.foreign:
        return
    named = first_of([f"{one} in {one.where}" for one in surroundings.foreign], most=10)
    raise ForeignInside(
        f"nothing was deleted, because cluster {inventory.name} holds resources that are not its "
        f"own: {named}. Delete or move them, or delete everything else with --leave-foreign"
    )

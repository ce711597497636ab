"""The inventory: all resources that carry a cluster's names and belong together.

A name alone is no proof. A machine of the right name in a foreign network, or two VPCs of one name
that are both in use, are not ours: reading them raises `NameTaken`, and they are never changed.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Protocol, TypeVar

from domain.cloud.adopted import NOTHING, Adopted, noted_on, read_adopted
from domain.cloud.api import Cloud
from domain.cloud.records import (
    Backend,
    Eip,
    Instance,
    KeyPair,
    Listener,
    LoadBalancer,
    PortForward,
    Rule,
    SecurityGroup,
    Tag,
    Vpc,
    Vxnet,
)
from domain.cloud.surplus import Surplus, choose, find_surplus
from domain.kernel.errors import NameTaken
from domain.kernel.names import MASTERS, Names

R = TypeVar("R", bound="Identified")


@dataclass(frozen=True, slots=True)
class Machines:
    """The machines of one cluster that are not terminated; one call of the cloud reads them."""

    name: str
    instances: tuple[Instance, ...] = ()

    def group(self, group: str) -> tuple[Instance, ...]:
        """The machines of a group, oldest first."""
        name = Names(self.name).group(group)
        found = (machine for machine in self.instances if machine.name == name)
        return tuple(sorted(found, key=lambda machine: (machine.created_at, machine.id)))

    def group_of(self, machine: Instance) -> str:
        return group_of(self.name, machine)

    @property
    def masters(self) -> tuple[Instance, ...]:
        return self.group(MASTERS)

    @property
    def nodes(self) -> tuple[Instance, ...]:
        """The machines of all groups of nodes; within a group the oldest first."""
        groups = (self.group(group) for group in self.groups if group != MASTERS)
        return tuple(chain.from_iterable(groups))

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups that have machines."""
        return tuple(sorted({self.group_of(machine) for machine in self.instances}))

    def groups_beside(self, described: Iterable[str]) -> tuple[str, ...]:
        """The names of the described groups, and of those that only have machines any more."""
        return tuple(dict.fromkeys((*described, *self.groups)))

    @property
    def running(self) -> tuple[Instance, ...]:
        return tuple(machine for machine in self.instances if machine.is_up)


@dataclass(frozen=True, slots=True)
class Inventory(Machines):
    """All resources of one cluster at one moment; None and empty where nothing exists.

    Adopted ones are among them: they are used, and neither tagged, counted nor deleted.

    Attributes:
        router_group: the security group of an adopted router, with `router_rules` in it.
    """

    vpc: Vpc | None = None
    vxnets: tuple[Vxnet, ...] = ()
    address: Eip | None = None
    balancer: LoadBalancer | None = None
    listeners: tuple[Listener, ...] = ()
    backends: tuple[Backend, ...] = ()
    firewall: SecurityGroup | None = None
    firewall_rules: tuple[Rule, ...] = ()
    machine_group: SecurityGroup | None = None
    machine_rules: tuple[Rule, ...] = ()
    keypair: KeyPair | None = None
    forwards: tuple[PortForward, ...] = ()
    tag: Tag | None = None
    surplus: tuple[Surplus, ...] = ()
    adopted: Adopted = NOTHING
    router_group: SecurityGroup | None = None
    router_rules: tuple[Rule, ...] = ()

    @property
    def own_vxnets(self) -> tuple[Vxnet, ...]:
        """The vxnets that the cluster has created."""
        return tuple(one for one in self.vxnets if one.id not in self.adopted.ids)

    @property
    def own(self) -> "Inventory":
        """The resources that the cluster has created, and what is inside them."""
        return self.without(self.adopted.ids) if self.adopted.ids else self

    @property
    def masters(self) -> tuple[Instance, ...]:
        """Those that the load balancer sends connections to first; each part oldest first."""
        return serving_first(self.group(MASTERS), self.backends)

    def control_plane(self, count: int) -> tuple[Instance, ...]:
        """The masters that are meant to stay: all behind the load balancer, and so many at least.

        Further ones were made by a call that acted late.
        """
        return control_plane(self.masters, self.backends, count)

    @property
    def jump_host(self) -> Instance | None:
        """The master to which the public SSH port leads, or else the first one."""
        masters = self.masters
        return next(filter(self.leads_ssh_to, masters), masters[0] if masters else None)

    def leads_ssh_to(self, machine: Instance) -> bool:
        """Whether the public SSH port leads to this machine."""
        ssh, target = Names(self.name).ssh, machine.private_ip
        return any(one.spec.name == ssh and one.spec.target == target for one in self.forwards)

    def unneeded(self, needed: Sequence[Instance]) -> tuple[Instance, ...]:
        """The machines that we started and that are not among the needed ones.

        A machine that the load balancer or a port of the public address leads to is never among
        them, nor is one that was made by hand.
        """
        kept = {machine.id for machine in needed}
        kept |= {backend.instance_id for backend in self.backends}
        targets = {forward.spec.target for forward in self.forwards}
        return tuple(
            machine
            for machine in self.instances
            if machine.id not in kept
            and machine.private_ip not in targets
            and self.has_our_key(machine)
        )

    @property
    def public_address(self) -> str:
        return self.address.address if self.address else ""

    @property
    def is_empty(self) -> bool:
        """Whether no resource carries the cluster's names."""
        return self.own == Inventory(self.name, adopted=self.adopted)

    @property
    def resource_ids(self) -> frozenset[str]:
        """The ids of everything that can carry the cluster's tag."""
        one = (self.vpc, self.address, self.balancer, self.firewall, self.machine_group)
        found = (*one, self.keypair, *self.vxnets, *self.instances)
        surplus = frozenset(one.id for one in self.surplus)
        ids = surplus | frozenset(resource.id for resource in found if resource)
        return ids - self.adopted.ids

    def without(self, ids: Collection[str]) -> "Inventory":
        """The inventory without the resources with these ids, and without what is inside them."""

        def rest(resource: R | None) -> R | None:
            return None if resource is None or resource.id in ids else resource

        vpc, balancer, firewall = rest(self.vpc), rest(self.balancer), rest(self.firewall)
        group = rest(self.machine_group)
        return replace(
            self,
            instances=tuple(one for one in self.instances if one.id not in ids),
            vpc=vpc,
            forwards=self.forwards if vpc else (),
            vxnets=tuple(one for one in self.vxnets if one.id not in ids),
            address=rest(self.address),
            balancer=balancer,
            listeners=self.listeners if balancer else (),
            backends=self.backends if balancer else (),
            firewall=firewall,
            firewall_rules=self.firewall_rules if firewall else (),
            machine_group=group,
            machine_rules=self.machine_rules if group else (),
            keypair=rest(self.keypair),
            tag=rest(self.tag),
            router_group=self.router_group if vpc else None,
            router_rules=self.router_rules if vpc else (),
        )

    def has_our_key(self, machine: Instance) -> bool:
        """Whether a machine was started with the cluster's key pair."""
        return self.keypair is not None and self.keypair.id in machine.keypair_ids


def group_of(cluster: str, machine: Instance) -> str:
    """The group whose name a machine carries."""
    return Names(cluster).find_group(machine.name)


def serving_first(
    machines: Sequence[Instance], backends: Sequence[Backend]
) -> tuple[Instance, ...]:
    """Sort machines so that backends of the load balancer come before the others."""
    serving = {backend.instance_id for backend in backends}
    return tuple(sorted(machines, key=lambda machine: machine.id not in serving))


def control_plane(
    masters: Sequence[Instance], backends: Sequence[Backend], count: int
) -> tuple[Instance, ...]:
    """As `Inventory.control_plane`, of these masters."""
    serving = {backend.instance_id for backend in backends}
    most = max(count, sum(machine.id in serving for machine in masters))
    return serving_first(masters, backends)[:most]


class Identified(Protocol):
    """What every resource has."""

    @property
    def id(self) -> str: ...


def id_of(resource: Identified | None) -> str | None:
    return resource.id if resource else None


def read_inventory(cloud: Cloud, name: str, wanted: Adopted = NOTHING) -> Inventory:
    """Read every resource with one of the cluster's names: about a dozen calls, in parallel.

    What this run has read, and not changed since, is not read again.

    Args:
        wanted: what the cluster shall adopt; that which it has noted is read in any case.

    Raises:
        NameTaken: a resource has one of the names and does not belong to the others.
    """
    names, known = Names(name), cloud.known
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="read-cluster") as pool:

        def ask(call: Callable[..., Sequence[Any]], *args: str) -> Callable[[], Sequence[Any]]:
            return pool.submit(call, *args).result

        vpcs = ask(known.find_vpcs, names.router)
        vxnets = ask(known.find_vxnets, names.vxnets)
        eips = ask(known.find_eips, names.address)
        balancers = ask(known.find_loadbalancers, names.balancer)
        firewalls = ask(known.find_security_groups, names.firewall)
        groups = ask(known.find_security_groups, names.machines)
        keypairs = ask(known.find_keypairs, names.keypair)
        instances = ask(known.find_instances, names.prefix)
        tags = ask(known.find_tags, names.tag)

        balancer = choose("load balancer", balancers())
        firewall = choose("security group", firewalls())
        noted, own = noted_on(firewall), wanted.beside(vpcs(), eips())
        adopted = noted.extended(wanted) if noted.ids else own
        lent = read_adopted(known, adopted)
        vpc = lent.vpc if adopted.vpc else choose("router", vpcs())
        machine_group = choose("security group", groups())
        forwards = ask(known.list_port_forwards, vpc.id) if vpc else tuple
        listeners = ask(known.list_listeners, balancer.id) if balancer else tuple
        backends = ask(known.list_backends, balancer.id) if balancer else tuple
        firewall_rules = ask(known.list_rules, firewall.id) if firewall else tuple
        machine_rules = ask(known.list_rules, machine_group.id) if machine_group else tuple

        inventory = Inventory(
            name=name,
            vpc=vpc,
            vxnets=tuple(
                sorted((*by_name(vxnets()).values(), *lent.vxnets), key=lambda one: one.cidr)
            ),
            address=lent.eip if adopted.eip else choose("public address", eips()),
            balancer=balancer,
            listeners=tuple(listeners()),
            backends=tuple(backends()),
            firewall=firewall,
            firewall_rules=tuple(firewall_rules()),
            machine_group=machine_group,
            machine_rules=tuple(machine_rules()),
            keypair=choose("key pair", keypairs()),
            forwards=tuple(forwards()),
            instances=existing_machines(name, instances()),
            surplus=(
                *find_surplus("load balancer", balancers()),
                *find_surplus("vxnet", vxnets()),
                *find_surplus("router", vpcs()),
                *find_surplus("public address", eips()),
                *find_surplus("security group", firewalls()),
                *find_surplus("security group", groups()),
                *find_surplus("key pair", keypairs()),
            ),
            adopted=adopted,
            router_group=lent.group,
            router_rules=lent.rules,
        )
        ours = next((tag for tag in tags() if is_ours(tag, inventory)), None)
    check_fit(inventory)
    return replace(inventory, tag=ours)


def by_name(vxnets: Sequence[Vxnet]) -> dict[str, Vxnet]:
    """The vxnets of a cluster by their names. Raises as `choose` does."""
    names = {vxnet.name for vxnet in vxnets}
    chosen = (choose("vxnet", [one for one in vxnets if one.name == name]) for name in names)
    return {vxnet.name: vxnet for vxnet in chosen if vxnet}


def read_machines(cloud: Cloud, name: str) -> Machines:
    """Read the machines alone, in one call for each hundred of them."""
    return Machines(name, existing_machines(name, cloud.find_instances(Names(name).prefix)))


def existing_machines(name: str, found: Sequence[Instance]) -> tuple[Instance, ...]:
    """The machines that are not terminated and are in one of the cluster's groups."""
    names = Names(name)
    return tuple(one for one in found if one.is_alive and names.find_group(one.name))


def is_ours(tag: Tag, inventory: Inventory) -> bool:
    """Whether a tag of our name is this cluster's.

    The name has no room for a prefix, so users may have a tag of that name for other resources.
    Such a tag is attached to none of ours, and is never changed.
    """
    return not tag.resource_ids or not set(tag.resource_ids).isdisjoint(inventory.resource_ids)


def check_fit(inventory: Inventory) -> None:
    """Refuse an inventory whose parts do not belong together.

    Raises:
        NameTaken: names the resource and what it belongs to.
    """
    router = inventory.vpc.id if inventory.vpc else ""
    for vxnet in inventory.own_vxnets:
        if vxnet.router_id and vxnet.router_id != router:
            raise _foreign("vxnet", vxnet.name, vxnet.id, f"has joined router {vxnet.router_id}")
    ours = {vxnet.id for vxnet in inventory.vxnets}
    for machine in inventory.instances:
        if machine.vxnet_id and machine.vxnet_id not in ours:
            raise _foreign("machine", machine.name, machine.id, f"is in vxnet {machine.vxnet_id}")
    address = None if inventory.adopted.eip else inventory.address
    if address and address.bound_to and address.bound_to != router:
        raise _foreign("public address", address.name, address.id, f"is used by {address.bound_to}")
    if inventory.balancer and inventory.balancer.vxnet_id not in ours:
        raise _foreign(
            "load balancer",
            inventory.balancer.name,
            inventory.balancer.id,
            f"is in {inventory.balancer.vxnet_id}",
        )


def _foreign(kind: str, name: str, resource_id: str, fact: str) -> NameTaken:
    return NameTaken(
        f"the {kind} {name} ({resource_id}) {fact}, which is not this cluster's; "
        "rename it in the console or choose another cluster name"
    )

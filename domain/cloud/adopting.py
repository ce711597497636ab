"""Using adopted resources: the checks, what is added to them, and how that is taken away again.

An adopted router gets port forwards and firewall rules with the cluster's names, and the public
address where it has none. Everything else of it stays as it is.
"""

import time
from collections.abc import Sequence
from ipaddress import IPv4Network

from domain.cloud.adopted import Adopted, adopted_by, noted_on
from domain.cloud.api import Cloud
from domain.cloud.deleting import delete_existing, without_job
from domain.cloud.firewall import is_wanted, router_rules, rules_to_add, store_rules
from domain.cloud.inventory import Inventory
from domain.cloud.jobs import wait_for_jobs
from domain.cloud.network import apply_changes, is_our_forward
from domain.cloud.records import Eip, Rule, SecurityGroup, Vpc, Vxnet
from domain.kernel.ensured import Ensured
from domain.kernel.errors import InvalidSpec, NotFound
from domain.kernel.names import ROOT, Names, cluster_of
from domain.kernel.waiting import Clock, wait_for, when_free
from domain.spec.cluster import MACHINES_PER_VXNET, ClusterSpec


def ensure_noted(cloud: Cloud, group: SecurityGroup, wanted: Adopted) -> str:
    """Note on the cluster's security group what it adopts. Returns: what is new."""
    if noted_on(group) == wanted:
        return ""
    cloud.describe_security_group(group.id, wanted.note)
    return f"noted {' '.join(sorted(wanted.ids))}"


# Checks, before anything is changed.


def check_adopted(cloud: Cloud, spec: ClusterSpec, seen: Inventory) -> None:
    """Check that the named resources exist, fit, and are free; reads only.

    Raises:
        InvalidSpec: one of them cannot be used; the message names it, and the remedy.
    """
    wanted = adopted_by(spec)
    _check_same(cloud, spec, seen, wanted)
    if spec.access.keypair and not cloud.known.read_keypairs((spec.access.keypair,)):
        raise InvalidSpec(_missing(cloud, "access.keypair", spec.access.keypair))
    if not wanted.ids:
        return
    _check_unused(cloud, spec.name, wanted)
    if wanted.vpc and seen.vpc is None:
        raise InvalidSpec(_missing(cloud, "network.vpc", wanted.vpc))
    if wanted.eip:
        _check_eip(cloud, wanted.eip, seen)
    if wanted.vpc and seen.vpc:
        _check_vpc(spec, seen, seen.vpc)
        _check_vxnets(cloud, spec, seen, seen.vpc)


def _check_same(cloud: Cloud, spec: ClusterSpec, seen: Inventory, wanted: Adopted) -> None:
    """Refuse another choice than that of the run that created the cluster."""
    noted = noted_on(seen.firewall)
    if noted.ids and noted.extended(wanted) != wanted:
        raise InvalidSpec(
            f"cluster {spec.name} uses {' '.join(sorted(noted.ids))}, which existed before it, and "
            "network.vpc, network.vxnets and address.eip name others; name the same ones, or tear "
            "the cluster down first"
        )
    names = Names(spec.name)
    for key, name, found in (
        ("network.vpc", wanted.vpc, cloud.known.find_vpcs(names.router)),
        ("address.eip", wanted.eip, cloud.known.find_eips(names.address)),
    ):
        if name and found:
            raise InvalidSpec(
                f"cluster {spec.name} has {found[0].id} of its own, so {key} cannot be {name}; "
                "leave it out, or tear the cluster down first"
            )


def _missing(cloud: Cloud, key: str, resource_id: str) -> str:
    return (
        f"{key}: there is no {resource_id} in zone {cloud.zone} of this account; look for its id "
        "in QingCloud's console"
    )


def _check_unused(cloud: Cloud, cluster: str, wanted: Adopted) -> None:
    """Refuse what another cluster has adopted."""
    for group in cloud.known.search_security_groups(ROOT):
        other, shared = cluster_of(group.name), noted_on(group).ids & wanted.ids
        if other != cluster and shared:
            raise InvalidSpec(
                f"{' '.join(sorted(shared))} is in use by cluster {other}; use others, or tear "
                "that cluster down first"
            )


def _check_name(cluster: str, key: str, resource: Vpc | Vxnet | Eip) -> None:
    if other := cluster_of(resource.name):
        whose = "this cluster" if other == cluster else f"cluster {other}"
        raise InvalidSpec(
            f"{key} {resource.id} is {resource.name}, which belongs to {whose}; name one that none "
            "of our clusters has created"
        )


def _check_vpc(spec: ClusterSpec, seen: Inventory, vpc: Vpc) -> None:
    network = spec.network
    _check_name(spec.name, "network.vpc", vpc)
    if vpc.status != "active":
        raise InvalidSpec(f"network.vpc {vpc.id} is {vpc.status}; switch it on in the console")
    if vpc.cidr != network.vpc_cidr:
        raise InvalidSpec(
            f"network.vpc {vpc.id} has the network {vpc.cidr or 'of no VPC'}, and "
            f"network.vpc_cidr is {network.vpc_cidr}; set it, and first_vxnet, to fit the VPC"
        )
    if seen.router_group is None:
        raise InvalidSpec(
            f"network.vpc {vpc.id} has no security group, so nothing can be let in; attach one in "
            "the console"
        )
    used = {cluster_of(forward.spec.name) for forward in seen.forwards} - {"", spec.name}
    if used:
        raise InvalidSpec(
            f"network.vpc {vpc.id} forwards ports of cluster {min(used)}; use another VPC, tear "
            "that cluster down first, or, if it does not exist any more, delete them in the console"
        )
    if vpc.eip_id not in ("", seen.address.id if seen.address else ""):
        raise InvalidSpec(
            f"network.vpc {vpc.id} has the public address {vpc.eip_id} ({vpc.eip_address}); use it "
            f"with address.eip: {vpc.eip_id}"
        )


def _check_vxnets(cloud: Cloud, spec: ClusterSpec, seen: Inventory, vpc: Vpc) -> None:
    network = spec.network
    found = {vxnet.id: vxnet for vxnet in seen.vxnets}
    for one in network.vxnets:
        if one not in found:
            raise InvalidSpec(_missing(cloud, "network.vxnets", one))
        _check_name(spec.name, "network.vxnets", found[one])
        if found[one].router_id != vpc.id:
            joined = found[one].router_id or "no router"
            raise InvalidSpec(f"network.vxnets: {one} has joined {joined}, not {vpc.id}")
    if network.vxnets:
        _check_room(spec, seen, [found[one] for one in network.vxnets])
        return
    ours = {vxnet.id for vxnet in seen.vxnets}
    others = [one for one in vpc.vxnet_ids if one not in ours]
    count = spec.vxnets_for(spec.largest)
    planned = {network.vxnet_cidr(number): number for number in range(1, count + 1)}
    for other in cloud.known.read_vxnets(tuple(others)) if others else ():
        for cidr in planned:
            if other.cidr and IPv4Network(other.cidr).overlaps(IPv4Network(cidr)):
                raise InvalidSpec(
                    f"network.first_vxnet: {cidr} is taken by {other.id} in {vpc.id}; choose "
                    f"another one, from which {count} networks are free, or use it as one of "
                    "network.vxnets"
                )


def _check_room(spec: ClusterSpec, seen: Inventory, vxnets: Sequence[Vxnet]) -> None:
    """Refuse networks in which others have taken the addresses."""
    ours = {machine.id for machine in seen.instances}
    room = sum(MACHINES_PER_VXNET - len(set(one.instance_ids) - ours) for one in vxnets)
    if room < (wanted := spec.wanted):
        raise InvalidSpec(
            f"network.vxnets have room for {max(0, room)} machines, wanted are {wanted}; name more"
        )


def _check_eip(cloud: Cloud, eip_id: str, seen: Inventory) -> None:
    eip, router = seen.address, seen.vpc.id if seen.vpc else ""
    if eip is None:
        raise InvalidSpec(_missing(cloud, "address.eip", eip_id))
    _check_name(seen.name, "address.eip", eip)
    if eip.bound_to and eip.bound_to != router:
        raise InvalidSpec(
            f"address.eip {eip.id} is used by {eip.bound_to}; unbind it in the console, or name a "
            "free one"
        )
    if eip.status not in ("available", "associated"):
        raise InvalidSpec(f"address.eip {eip.id} is {eip.status}; name a free one")


# What provision does to them.


def use_vpc(cloud: Cloud, router_id: str) -> Ensured[Vpc]:
    """Return the adopted VPC. Raises `NotFound` where it was deleted meanwhile."""
    return Ensured(cloud.read_vpc(router_id), f"uses {router_id}, which existed before")


def use_vxnets(cloud: Cloud, ids: Sequence[str]) -> Ensured[tuple[Vxnet, ...]]:
    """Return the adopted vxnets, in the order of the description. Raises `NotFound`."""
    found = {vxnet.id: vxnet for vxnet in cloud.known.read_vxnets(tuple(ids))}
    if gone := [one for one in ids if one not in found]:
        raise NotFound(f"the vxnet {gone[0]}, which the cluster uses, does not exist any more")
    return Ensured(tuple(found[one] for one in ids), f"uses {' '.join(ids)}")


def use_address(cloud: Cloud, eip_id: str) -> Ensured[Eip]:
    """Return the adopted public address. Raises `NotFound`."""
    for eip in cloud.known.read_eips((eip_id,)):
        return Ensured(eip, f"uses {eip.id} ({eip.address})")
    raise NotFound(f"the public address {eip_id}, which the cluster uses, does not exist any more")


def open_router(
    cloud: Cloud, spec: ClusterSpec, vpc: Vpc, clock: Clock = time
) -> Ensured[SecurityGroup]:
    """Add the cluster's rules to the adopted router's security group, and apply it."""
    group = _group_of(cloud.known, vpc)
    seen, wanted = cloud.known.list_rules(group.id), router_rules(spec)
    missing = rules_to_add(wanted, seen)
    stale = [rule for rule in our_rules(spec.name, seen) if not is_wanted(rule, wanted)]
    if missing:
        store_rules(cloud, group.id, missing, clock)
    if stale:
        cloud.delete_rules([rule.id for rule in stale])
    if missing or stale or not group.is_applied:
        _apply(cloud, vpc, group, clock)
    did = f"{len(missing)} rules added to {group.id}, {len(stale)} deleted"
    return Ensured(group, did if missing or stale else f"kept {group.id}")


def our_rules(cluster: str, seen: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules in an adopted router's security group that carry the cluster's name."""
    return tuple(rule for rule in seen if rule.spec.name.startswith(Names(cluster).prefix))


def _group_of(cloud: Cloud, vpc: Vpc) -> SecurityGroup:
    for group in cloud.read_security_groups((vpc.security_group_id,)):
        return group
    raise NotFound(f"the security group of {vpc.id} does not exist any more; attach another one")


def _apply(cloud: Cloud, vpc: Vpc, group: SecurityGroup, clock: Clock) -> None:
    job = when_free(
        lambda: cloud.apply_security_group(group.id), what=f"applying {group.id}", clock=clock
    )
    wait_for_jobs(cloud, [job], clock=clock)
    wait_for(
        lambda: True if _group_of(cloud, vpc).is_applied else None,
        what=f"{group.id} applied",
        clock=clock,
    )


# What teardown does to them.


def leave_router(cloud: Cloud, inventory: Inventory, clock: Clock = time) -> list[str]:
    """Take away what the cluster has added to an adopted router. Returns: the ids of that."""
    vpc = inventory.vpc
    if vpc is None:
        return []
    return [
        *_close_router(cloud, inventory, vpc, clock),
        *_unpublish(cloud, inventory, vpc, clock),
    ]


def _close_router(cloud: Cloud, inventory: Inventory, vpc: Vpc, clock: Clock) -> list[str]:
    group = inventory.router_group
    if group is None:
        return []
    ids = [rule.id for rule in our_rules(inventory.name, inventory.router_rules)]
    if ids:
        delete_existing(
            cloud,
            f"the cluster's rules in {group.id}",
            ids,
            lambda: [rule.id for rule in cloud.list_rules(group.id) if rule.id in ids],
            without_job(cloud.delete_rules),
            clock,
        )
    if ids or not group.is_applied:
        _apply(cloud, vpc, group, clock)
    return ids


def _unpublish(cloud: Cloud, inventory: Inventory, vpc: Vpc, clock: Clock) -> list[str]:
    """Delete our forwards, and unbind the address that is deleted with the cluster."""
    forwards = [
        forward.id for forward in inventory.forwards if is_our_forward(inventory.name, forward.spec)
    ]
    if forwards:
        delete_existing(
            cloud,
            f"the cluster's port forwards on {vpc.id}",
            forwards,
            lambda: [one.id for one in cloud.list_port_forwards(vpc.id) if one.id in forwards],
            without_job(cloud.delete_port_forwards),
            clock,
        )
    address = None if inventory.adopted.eip else inventory.address
    bound = address is not None and vpc.eip_id == address.id
    if bound:
        when_free(
            lambda: cloud.bind_eip_to_router(vpc.id, ""),
            what=f"unbinding {vpc.eip_id} from {vpc.id}",
            clock=clock,
        )
    if forwards or bound or not vpc.is_applied:
        apply_changes(cloud, vpc.id, clock)
    return forwards

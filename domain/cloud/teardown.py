"""Deleting a cluster, in the order that QingCloud requires."""

import time
from collections.abc import Callable, Sequence

from domain.cloud.adopting import leave_router
from domain.cloud.api import Cloud
from domain.cloud.deleting import Named, delete_existing, ids_of, without_job
from domain.cloud.inventory import Inventory, read_machines
from domain.cloud.network import apply_changes
from domain.cloud.planning import plan_teardown
from domain.cloud.records import Instance, Vpc, Vxnet
from domain.cloud.surplus import Surplus
from domain.kernel.ensured import Ensured
from domain.kernel.errors import FinalError
from domain.kernel.names import Names
from domain.kernel.waiting import Clock, when_free

NOTHING = "nothing existed"

SWEEPS = 3
"""Another run may still be adding to the cluster when its teardown begins."""


def sweep_until_gone(
    inventory: Inventory, sweep: Callable[[Inventory], None], look: Callable[[], Inventory]
) -> None:
    """Delete the resources of an inventory, and read it again, until nothing is left.

    Raises:
        FinalError: another run keeps adding to the cluster; the message names what is left.
    """
    for _ in range(SWEEPS):
        sweep(inventory)
        inventory = look()
        if inventory.is_empty:
            return
    left = ", ".join(f"{item.kind} {item.id}" for item in plan_teardown(inventory).items)
    raise FinalError(
        f"cluster {inventory.name} grows again while it is torn down ({left}); "
        "end the autoscaler or the run that adds to it, then run the same command again"
    )


def remove_machines(
    cloud: Cloud, cluster: str, machines: Sequence[Instance], clock: Clock = time
) -> Ensured[None]:
    """Terminate machines, past the recycle bin, and wait until they are gone: they are billed."""
    ids = [machine.id for machine in machines]
    if not ids:
        return Ensured(None, NOTHING)

    def remaining() -> list[str]:
        return [one.id for one in read_machines(cloud, cluster).instances if one.id in ids]

    delete_existing(
        cloud, "machines", ids, remaining, cloud.terminate_instances, clock, until_gone=True
    )
    return Ensured(None, f"terminated {' '.join(ids)}")


def remove_balancer(cloud: Cloud, inventory: Inventory, clock: Clock = time) -> Ensured[None]:
    """Delete the load balancer; its vxnet cannot be deleted while it exists."""
    if inventory.balancer is None:
        return Ensured(None, NOTHING)
    balancer_id, name = inventory.balancer.id, inventory.balancer.name

    def existing() -> list[str]:
        return ids_of(cloud.find_loadbalancers(name), balancer_id)

    delete = cloud.delete_loadbalancers
    delete_existing(cloud, "the load balancer", [balancer_id], existing, delete, clock)
    return Ensured(None, f"deleted {balancer_id}")


def remove_network(cloud: Cloud, inventory: Inventory, clock: Clock = time) -> Ensured[None]:
    """Unbind the address, take the vxnets out of the router, then delete vxnets and router.

    Of an adopted router only what the cluster has added is deleted.
    """
    prefix, vpc = Names(inventory.name).vxnets, inventory.own.vpc
    vxnets = [vxnet.id for vxnet in inventory.own_vxnets]
    done = list(vxnets)
    if vpc:
        _unbind_address(cloud, vpc, clock)
    elif inventory.adopted.vpc:
        done += leave_router(cloud, inventory, clock)
    _empty_router(cloud, inventory.own_vxnets, prefix, clock)
    if vxnets:
        delete_existing(
            cloud,
            "vxnets",
            vxnets,
            lambda: ids_of(cloud.find_vxnets(prefix), *vxnets),
            without_job(cloud.delete_vxnets),
            clock,
        )
    if vpc:
        name, router_id = vpc.name, vpc.id
        delete_existing(
            cloud,
            "the router",
            [router_id],
            lambda: ids_of(cloud.find_vpcs(name), router_id),
            lambda found: cloud.delete_vpc(*found),
            clock,
        )
        done.append(router_id)
    return Ensured(None, f"deleted {' '.join(done)}" if done else NOTHING)


def remove_address(cloud: Cloud, inventory: Inventory, clock: Clock = time) -> Ensured[None]:
    """Release the public address, which is no longer bound to the router."""
    address = inventory.own.address
    if address is None:
        return Ensured(None, NOTHING)
    eip_id, name = address.id, address.name

    def existing() -> list[str]:
        return ids_of(cloud.find_eips(name), eip_id)

    delete_existing(cloud, "the public address", [eip_id], existing, cloud.release_eips, clock)
    return Ensured(None, f"released {eip_id}")


def remove_surplus(cloud: Cloud, inventory: Inventory, clock: Clock = time) -> Ensured[None]:
    """Delete the resources whose name another one of the cluster has, and that nothing uses."""
    calls: dict[str, tuple[Callable[[str], Sequence[Named]], Callable[[list[str]], str]]] = {
        "load balancer": (cloud.find_loadbalancers, cloud.delete_loadbalancers),
        "vxnet": (cloud.find_vxnets, without_job(cloud.delete_vxnets)),
        "router": (cloud.find_vpcs, lambda ids: cloud.delete_vpc(*ids)),
        "public address": (cloud.find_eips, cloud.release_eips),
        "security group": (
            cloud.find_security_groups,
            without_job(cloud.delete_security_groups),
        ),
        "key pair": (cloud.find_keypairs, without_job(cloud.delete_keypairs)),
    }
    for one in inventory.surplus:
        find, delete = calls[one.kind]

        def existing(
            one: Surplus = one, find: Callable[[str], Sequence[Named]] = find
        ) -> list[str]:
            return ids_of(find(one.name), one.id)

        delete_existing(cloud, f"{one.kind} {one.name}", [one.id], existing, delete, clock)
    done = " ".join(one.id for one in inventory.surplus)
    return Ensured(None, f"deleted {done}" if done else NOTHING)


def remove_leftovers(cloud: Cloud, inventory: Inventory, clock: Clock = time) -> Ensured[None]:
    """Delete the resources that are not billed: security groups, key pair, tag."""
    done: list[str] = []

    def remove(
        resources: Sequence[Named | None],
        find: Callable[[str], Sequence[Named]],
        delete: Callable[[list[str]], None],
    ) -> None:
        seen = [one for one in resources if one]
        ids = [one.id for one in seen]
        if not ids:
            return
        names = [one.name for one in seen]

        def existing() -> list[str]:
            return [found for name in names for found in ids_of(find(name), *ids)]

        delete_existing(cloud, ", ".join(names), ids, existing, without_job(delete), clock)
        done.extend(ids)

    groups = (inventory.firewall, inventory.machine_group)
    remove(groups, cloud.find_security_groups, cloud.delete_security_groups)
    remove([inventory.keypair], cloud.find_keypairs, cloud.delete_keypairs)
    remove([inventory.tag], cloud.find_tags, cloud.delete_tags)
    return Ensured(None, f"deleted {' '.join(done)}" if done else NOTHING)


def _unbind_address(cloud: Cloud, vpc: Vpc, clock: Clock) -> None:
    """Unbind the public address, and apply the router's changes: it cannot be released before."""
    for now in cloud.known.find_vpcs(vpc.name):
        if now.id != vpc.id or (now.is_applied and not now.eip_id):
            continue
        if now.eip_id:
            when_free(
                lambda: cloud.bind_eip_to_router(vpc.id, ""),
                what=f"unbinding {now.eip_id} from {vpc.id}",
                clock=clock,
            )
        apply_changes(cloud, vpc.id, clock)


def _empty_router(cloud: Cloud, leaving: Sequence[Vxnet], prefix: str, clock: Clock) -> None:
    """Take vxnets out of their router."""
    ids = {vxnet.id for vxnet in leaving}
    router_id = next((vxnet.router_id for vxnet in leaving if vxnet.router_id), "")

    def joined(vxnets: Sequence[Vxnet]) -> list[str]:
        return [vxnet.id for vxnet in vxnets if vxnet.id in ids and vxnet.router_id]

    if seen := joined(leaving):
        delete_existing(
            cloud,
            "the vxnets' membership in the router",
            seen,
            lambda: joined(cloud.find_vxnets(prefix)),
            lambda found: cloud.leave_router(router_id, found),
            clock,
            until_gone=True,
        )

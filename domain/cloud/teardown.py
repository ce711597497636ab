"""Taking a cluster down, in the order in which QingCloud lets go of things.

Each step looks before each attempt, so whatever an earlier attempt, a lost reply or another run
has deleted is no error. Deletions wait out the first half minute of a resource's life, in which
the cloud refuses them ("lease info not ready yet").
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from domain.cloud.api import Cloud
from domain.cloud.inventory import Inventory, read_machines
from domain.cloud.jobs import wait_for_jobs
from domain.cloud.planning import plan_teardown
from domain.cloud.records import Instance, Vpc, Vxnet
from domain.kernel.ensured import Ensured
from domain.kernel.errors import FinalError, NotFound, TemporaryError
from domain.kernel.names import Names
from domain.kernel.waiting import Clock, wait_for, when_free

NOTHING = "nothing was there"

LETTING_GO = 60.0
"""Seconds in which a refused deletion is asked for again: what used the resource is gone already,
but the cloud may take a moment to notice, and with which code it says so is not documented."""


SWEEPS = 3
"""Another run may still be adding to the cluster when its end begins."""


class Named(Protocol):
    """What every resource has."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


def sweep_until_gone(
    inventory: Inventory, sweep: Callable[[Inventory], None], look: Callable[[], Inventory]
) -> None:
    """Delete what was seen, and look again, until nothing of the cluster is left.

    Raises:
        FinalError: something goes on adding to it; the sentence names what is there.
    """
    for _ in range(SWEEPS):
        sweep(inventory)
        inventory = look()
        if inventory.is_empty:
            return
    left = ", ".join(f"{item.kind} {item.id}" for item in plan_teardown(inventory).items)
    raise FinalError(
        f"cluster {inventory.name} grows again while it is taken down ({left}); "
        "end the autoscaler or whatever else makes it, then run the same command again"
    )


def remove_machines(
    cloud: Cloud, cluster: str, machines: Sequence[Instance], clock: Clock = time
) -> Ensured[None]:
    """Terminate machines for good, past the recycle bin, and see them off: they are billed."""
    ids = [machine.id for machine in machines]
    if not ids:
        return Ensured(None, NOTHING)

    def living() -> list[str]:
        return [one.id for one in read_machines(cloud, cluster).instances if one.id in ids]

    _delete(cloud, "machines", ids, living, cloud.terminate_instances, clock, sees_off=True)
    return Ensured(None, f"terminated {' '.join(ids)}")


def remove_balancer(cloud: Cloud, inventory: Inventory, clock: Clock = time) -> Ensured[None]:
    """Delete the load balancer; the vxnet cannot go while it exists."""
    if inventory.balancer is None:
        return Ensured(None, NOTHING)
    balancer_id, name = inventory.balancer.id, inventory.balancer.name

    def existing() -> list[str]:
        return _ids(cloud.find_loadbalancers(name), balancer_id)

    delete = cloud.delete_loadbalancers
    _delete(cloud, "the load balancer", [balancer_id], existing, delete, clock)
    return Ensured(None, f"deleted {balancer_id}")


def remove_network(cloud: Cloud, inventory: Inventory, clock: Clock = time) -> Ensured[None]:
    """Take the address off the router, the vxnets out of it, then delete vxnets and router."""
    prefix, vpc = Names(inventory.name).vxnets, inventory.vpc
    vxnets = [vxnet.id for vxnet in inventory.vxnets]
    done = list(vxnets)
    if vpc:
        _take_address_off(cloud, vpc, clock)
        _empty_router(cloud, inventory.vxnets, prefix, vpc.id, clock)
    if vxnets:
        _delete(
            cloud,
            "vxnets",
            vxnets,
            lambda: _ids(cloud.find_vxnets(prefix), *vxnets),
            _without_job(cloud.delete_vxnets),
            clock,
        )
    if vpc:
        name, router_id = vpc.name, vpc.id
        _delete(
            cloud,
            "the router",
            [router_id],
            lambda: _ids(cloud.find_vpcs(name), router_id),
            lambda found: cloud.delete_vpc(*found),
            clock,
        )
        done.append(router_id)
    return Ensured(None, f"deleted {' '.join(done)}" if done else NOTHING)


def remove_address(cloud: Cloud, inventory: Inventory, clock: Clock = time) -> Ensured[None]:
    """Release the public address, which the router has let go of."""
    if inventory.address is None:
        return Ensured(None, NOTHING)
    eip_id, name = inventory.address.id, inventory.address.name

    def existing() -> list[str]:
        return _ids(cloud.find_eips(name), eip_id)

    _delete(cloud, "the public address", [eip_id], existing, cloud.release_eips, clock)
    return Ensured(None, f"released {eip_id}")


def remove_leftovers(cloud: Cloud, inventory: Inventory, clock: Clock = time) -> Ensured[None]:
    """Delete what is not billed: security groups, key pair, tag."""
    done: list[str] = []

    def remove(
        resource: Named | None,
        find: Callable[[str], Sequence[Named]],
        delete: Callable[[list[str]], None],
    ) -> None:
        if resource is None:
            return
        name, resource_id = resource.name, resource.id

        def existing() -> list[str]:
            return _ids(find(name), resource_id)

        _delete(cloud, name, [resource_id], existing, _without_job(delete), clock)
        done.append(resource_id)

    groups, delete_groups = cloud.find_security_groups, cloud.delete_security_groups
    remove(inventory.firewall, groups, delete_groups)
    remove(inventory.machine_group, groups, delete_groups)
    remove(inventory.keypair, cloud.find_keypairs, cloud.delete_keypairs)
    remove(inventory.tag, cloud.find_tags, cloud.delete_tags)
    return Ensured(None, f"deleted {' '.join(done)}" if done else NOTHING)


def _take_address_off(cloud: Cloud, vpc: Vpc, clock: Clock) -> None:
    """Without it the address cannot be released, and the router's changes must be in effect."""
    for now in cloud.known.find_vpcs(vpc.name):
        if now.id != vpc.id or (now.is_applied and not now.eip_id):
            continue
        if now.eip_id:
            when_free(
                lambda: cloud.bind_eip_to_router(vpc.id, ""),
                what=f"taking {now.eip_id} off {vpc.id}",
                clock=clock,
            )
        job = when_free(lambda: cloud.update_router(vpc.id), what=f"updating {vpc.id}", clock=clock)
        wait_for_jobs(cloud, [job], clock=clock)


def _empty_router(
    cloud: Cloud, vxnets: Sequence[Vxnet], prefix: str, router_id: str, clock: Clock
) -> None:
    """Let all vxnets leave the router."""

    def joined(vxnets: Sequence[Vxnet]) -> list[str]:
        return [vxnet.id for vxnet in vxnets if vxnet.router_id == router_id]

    if seen := joined(vxnets):
        _delete(
            cloud,
            "the router's hold on vxnets",
            seen,
            lambda: joined(cloud.find_vxnets(prefix)),
            lambda found: cloud.leave_router(router_id, found),
            clock,
            sees_off=True,
        )


def _ids(found: Sequence[Named], *wanted: str) -> list[str]:
    return [resource.id for resource in found if resource.id in wanted]


def _without_job(delete: Callable[[list[str]], None]) -> Callable[[list[str]], str]:
    def done(ids: list[str]) -> str:
        delete(ids)
        return ""

    return done


def _delete(
    cloud: Cloud,
    what: str,
    seen: Sequence[str],
    find: Callable[[], list[str]],
    delete: Callable[[list[str]], str],
    clock: Clock,
    *,
    sees_off: bool = False,
) -> None:
    """Delete what was seen, and on each further attempt what still exists of it.

    Args:
        seen: ids, as the inventory has them.
        find: the ids of these that still exist.
        delete: starts the deletion of ids; returns the job, or nothing where it is done.
        sees_off: whether to wait until they are gone, where the end of the job is not enough. All
            else is looked for once more at the end of the teardown.
    """
    attempts: list[list[str]] = []

    def attempt() -> str:
        wanted = find() if attempts else list(seen)
        attempts.append(wanted)
        try:
            return delete(wanted) if wanted else ""
        except NotFound as error:  # gone since the look: the others are still to be deleted
            raise TemporaryError(str(error)) from error

    job = when_free(attempt, what=f"deletion of {what}", clock=clock, refused_for=LETTING_GO)
    wait_for_jobs(cloud, [job], clock=clock)
    if sees_off:
        ended = f"end of {' '.join(seen)}"
        wait_for(lambda: None if find() else True, what=ended, clock=clock)

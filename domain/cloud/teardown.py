"""Taking a cluster down, in the order in which QingCloud lets go of things.

Each step looks before each attempt, so whatever an earlier attempt, a lost reply or another run
has deleted is no error. Deletions wait out the first half minute of a resource's life, in which
the cloud refuses them ("lease info not ready yet").
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from domain.cloud.api import Cloud
from domain.cloud.inventory import Inventory
from domain.cloud.jobs import wait_for_jobs
from domain.cloud.planning import plan_teardown
from domain.cloud.records import Instance, Vpc
from domain.kernel.ensured import Ensured
from domain.kernel.errors import FinalError, NotFound, Refused, TemporaryError
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
    cloud: Cloud, machines: Sequence[Instance], clock: Clock = time
) -> Ensured[None]:
    """Terminate machines for good, past the recycle bin, and see them off."""
    ids = [machine.id for machine in machines if machine.is_alive]

    def living() -> list[str]:
        return [machine.id for machine in cloud.read_instances(ids) if machine.is_alive]

    if not ids:
        return Ensured(None, NOTHING)
    _delete(cloud, "machines", living, cloud.terminate_instances, clock)
    return Ensured(None, f"terminated {' '.join(ids)}")


def remove_balancer(cloud: Cloud, inventory: Inventory, clock: Clock = time) -> Ensured[None]:
    """Delete the load balancer; the vxnet cannot go while it is there."""
    if inventory.balancer is None:
        return Ensured(None, NOTHING)
    balancer_id, name = inventory.balancer.id, inventory.balancer.name

    def there() -> list[str]:
        return _ids(cloud.find_loadbalancers(name), balancer_id)

    _delete(cloud, "the load balancer", there, cloud.delete_loadbalancers, clock)
    return Ensured(None, f"deleted {balancer_id}")


def remove_network(cloud: Cloud, inventory: Inventory, clock: Clock = time) -> Ensured[None]:
    """Take the address off the router, the vxnets out of it, then delete vxnets and router."""
    prefix, ids, vpc = (
        Names(inventory.name).vxnets,
        [vxnet.id for vxnet in inventory.vxnets],
        inventory.vpc,
    )
    if vpc:
        _take_address_off(cloud, vpc, clock)
        _empty_router(cloud, prefix, vpc.id, clock)
    if ids:
        vxnets = list(ids)
        _delete(
            cloud,
            "vxnets",
            lambda: _ids(cloud.find_vxnets(prefix), *vxnets),
            _without_job(cloud.delete_vxnets),
            clock,
        )
    if vpc:
        name, router_id = vpc.name, vpc.id
        _delete(
            cloud,
            "the router",
            lambda: _ids(cloud.find_vpcs(name), router_id),
            lambda found: cloud.delete_vpc(*found),
            clock,
        )
        ids.append(router_id)
    return Ensured(None, f"deleted {' '.join(ids)}" if ids else NOTHING)


def remove_address(cloud: Cloud, inventory: Inventory, clock: Clock = time) -> Ensured[None]:
    """Release the public address, once the router has let go of it."""
    if inventory.address is None:
        return Ensured(None, NOTHING)
    eip_id, name = inventory.address.id, inventory.address.name

    def free() -> bool | None:
        seen = [eip for eip in cloud.find_eips(name) if eip.id == eip_id]
        return True if all(not eip.bound_to and not eip.transition for eip in seen) else None

    wait_for(free, what=f"{eip_id} free", clock=clock)

    def there() -> list[str]:
        return _ids(cloud.find_eips(name), eip_id)

    _delete(cloud, "the public address", there, cloud.release_eips, clock)
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

        def there() -> list[str]:
            return _ids(find(name), resource_id)

        _delete(cloud, name, there, _without_job(delete), clock)
        done.append(resource_id)

    remove(inventory.firewall, cloud.find_security_groups, cloud.delete_security_groups)
    remove(inventory.machine_group, cloud.find_security_groups, cloud.delete_security_groups)
    remove(inventory.keypair, cloud.find_keypairs, cloud.delete_keypairs)
    remove(inventory.tag, cloud.find_tags, cloud.delete_tags)
    return Ensured(None, f"deleted {' '.join(done)}" if done else NOTHING)


def _take_address_off(cloud: Cloud, vpc: Vpc, clock: Clock) -> None:
    """Without it the address cannot be released, and the router's changes must be in effect."""
    for now in cloud.find_vpcs(vpc.name):
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


def _empty_router(cloud: Cloud, prefix: str, router_id: str, clock: Clock) -> None:
    """Let all vxnets leave the router."""

    def joined() -> list[str]:
        return [v.id for v in cloud.find_vxnets(prefix) if v.router_id == router_id]

    _delete(
        cloud,
        "the router's hold on vxnets",
        joined,
        lambda found: cloud.leave_router(router_id, found),
        clock,
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
    find: Callable[[], list[str]],
    delete: Callable[[list[str]], str],
    clock: Clock,
) -> None:
    """Find what is still there, start its deletion, and see it off.

    Args:
        find: the ids that are still there.
        delete: starts the deletion of these ids; answers the job, or nothing where it is done.
    """
    patient_until = clock.monotonic() + LETTING_GO
    wanted: list[str] = []

    def attempt() -> str:
        wanted[:] = find()
        try:
            return delete(wanted) if wanted else ""
        except NotFound as error:  # gone since the look: the others are still to be deleted
            raise TemporaryError(str(error)) from error
        except Refused as error:
            if clock.monotonic() > patient_until:
                raise
            raise TemporaryError(str(error)) from error

    job = when_free(attempt, what=f"deletion of {what}", clock=clock)
    if job:
        wait_for_jobs(cloud, [job], clock=clock)
        ended = f"end of {' '.join(wanted)}"
        wait_for(lambda: None if find() else True, what=ended, clock=clock)

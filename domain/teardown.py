"""Taking a cluster down, in the order in which QingCloud lets go of things.

Each step looks again and takes "not found" for success, so a run that was cut off is simply run
again. Deletions wait out the first half minute of a resource's life, in which the cloud refuses
them ("lease info not ready yet").
"""

import time
from collections.abc import Callable, Sequence

from domain.cloud import Cloud, Instance
from domain.ensured import Ensured
from domain.errors import NotFound
from domain.names import Names
from domain.view import ClusterView
from domain.waiting import Clock, wait_for, wait_for_jobs, when_free

NOTHING = "nothing was there"


def remove_machines(
    cloud: Cloud, machines: Sequence[Instance], clock: Clock = time
) -> Ensured[None]:
    """Terminate machines for good, past the recycle bin, and see them off."""
    ids = [machine.id for machine in machines if machine.is_alive]
    if not ids:
        return Ensured(None, NOTHING)
    _delete(cloud, lambda: cloud.terminate_instances(ids), f"terminating {' '.join(ids)}", clock)

    def gone() -> bool | None:
        return None if any(machine.is_alive for machine in cloud.read_instances(ids)) else True

    wait_for(gone, what=f"end of {' '.join(ids)}", clock=clock)
    return Ensured(None, f"terminated {' '.join(ids)}")


def remove_balancer(cloud: Cloud, view: ClusterView, clock: Clock = time) -> Ensured[None]:
    """Delete the load balancer; the vxnet cannot go while it is there."""
    if view.balancer is None:
        return Ensured(None, NOTHING)
    balancer_id, name = view.balancer.id, view.balancer.name
    _delete(
        cloud, lambda: cloud.delete_loadbalancers([balancer_id]), f"deleting {balancer_id}", clock
    )
    _wait_gone(lambda: cloud.find_loadbalancers(name), balancer_id, clock)
    return Ensured(None, f"deleted {balancer_id}")


def remove_network(cloud: Cloud, view: ClusterView, clock: Clock = time) -> Ensured[None]:
    """Take the address off the router, the vxnets out of it, then delete vxnets and router."""
    done: list[str] = []
    vpc = view.vpc
    if vpc and vpc.eip_id:
        when_free(
            lambda: cloud.bind_eip_to_router(vpc.id, ""),
            what=f"taking {vpc.eip_id} off {vpc.id}",
            clock=clock,
        )
    if vpc and (vpc.eip_id or not vpc.is_applied):
        job = when_free(lambda: cloud.update_router(vpc.id), what=f"updating {vpc.id}", clock=clock)
        wait_for_jobs(cloud, [job], clock=clock)
    prefix = Names(view.name).vxnets

    def leave(router_id: str) -> str:
        """Look at each attempt: what an earlier run has begun may be done by now."""
        joined = [v.id for v in cloud.find_vxnets(prefix) if v.router_id == router_id]
        return cloud.leave_router(router_id, joined) if joined else ""

    if vpc and view.vxnets:
        job = when_free(
            lambda: leave(vpc.id), what=f"vxnets {prefix}… leaving {vpc.id}", clock=clock
        )
        wait_for_jobs(cloud, [job], clock=clock)
    ids = [vxnet.id for vxnet in view.vxnets]
    if ids:

        def left() -> bool | None:
            return None if any(vxnet.router_id for vxnet in cloud.find_vxnets(prefix)) else True

        wait_for(left, what=f"{' '.join(ids)} out of the router", clock=clock)
        _forgiving(lambda: cloud.delete_vxnets(ids), f"deleting {' '.join(ids)}", clock)
        done += ids
    if vpc:
        _delete(cloud, lambda: cloud.delete_vpc(vpc.id), f"deleting {vpc.id}", clock)
        _wait_gone(lambda: cloud.find_vpcs(vpc.name), vpc.id, clock)
        done.append(vpc.id)
    return Ensured(None, f"deleted {' '.join(done)}" if done else NOTHING)


def remove_address(cloud: Cloud, view: ClusterView, clock: Clock = time) -> Ensured[None]:
    """Release the public address, once the router has let go of it."""
    if view.address is None:
        return Ensured(None, NOTHING)
    eip_id, name = view.address.id, view.address.name

    def free() -> bool | None:
        seen = [eip for eip in cloud.find_eips(name) if eip.id == eip_id]
        return True if all(not eip.bound_to and not eip.transition for eip in seen) else None

    wait_for(free, what=f"{eip_id} free", clock=clock)
    _delete(cloud, lambda: cloud.release_eips([eip_id]), f"releasing {eip_id}", clock)
    _wait_gone(lambda: cloud.find_eips(name), eip_id, clock)
    return Ensured(None, f"released {eip_id}")


def remove_leftovers(cloud: Cloud, view: ClusterView, clock: Clock = time) -> Ensured[None]:
    """Delete what is not billed: security groups, key pair, tag."""
    done: list[str] = []
    groups = [group.id for group in (view.firewall, view.machine_group) if group]
    if groups:
        _forgiving(lambda: cloud.delete_security_groups(groups), "deleting security groups", clock)
        done += groups
    if view.keypair:
        keypair_id = view.keypair.id
        _forgiving(lambda: cloud.delete_keypairs([keypair_id]), f"deleting {keypair_id}", clock)
        done.append(keypair_id)
    if view.tag:
        tag_id = view.tag.id
        _forgiving(lambda: cloud.delete_tags([tag_id]), f"deleting {tag_id}", clock)
        done.append(tag_id)
    return Ensured(None, f"deleted {' '.join(done)}" if done else NOTHING)


def _delete(cloud: Cloud, start: Callable[[], str], what: str, clock: Clock) -> None:
    """Start a deletion and wait for its job; a resource that is gone already is fine."""
    try:
        job = when_free(start, what=what, clock=clock)
    except NotFound:
        return
    wait_for_jobs(cloud, [job], clock=clock)


def _forgiving(act: Callable[[], None], what: str, clock: Clock) -> None:
    try:
        when_free(act, what=what, clock=clock)
    except NotFound:
        return


def _wait_gone(find: Callable[[], Sequence[object]], what: str, clock: Clock) -> None:
    wait_for(lambda: True if not find() else None, what=f"end of {what}", clock=clock)

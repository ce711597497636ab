"""The ports that public addresses publish, refreshed when rules change.

A router publishes its port forwards, a load balancer its listeners, and an instance with an
address of its own the ports that its group opens.
"""

from collections.abc import Iterator
from functools import partial

from localcloud.iaas.balancer_records import LoadBalancer
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.firewall import INBOUND, opens
from localcloud.iaas.public import Forward
from localcloud.iaas.records import Eip, Instance, Router, Rule

MOST_PORTS_OF_A_RULE = 64
"""The most ports published for one rule: each is a socket of this machine."""


def forwards_of(cloud: Cloud, router: Router) -> list[Forward]:
    """Return the TCP forwards in force whose port a rule in force opens.

    UDP is not emulated on machines, so that UDP forwards have no effect.
    """
    eip = cloud.state.eips.get(router.applied.eip_id)
    if eip is None or router.status == "poweroffed":
        return []
    rules = cloud.firewall.rules_of(router.applied.group_id)
    return [
        Forward(
            address=eip.address,
            port=int(static.values["val1"]),
            owner_id=router.id,
            vpc=router.id,
            target=static.values["val2"],
            target_port=int(static.values["val3"]),
        )
        for static in router.applied.forwards
        if static.values["val4"] == "tcp" and opens(rules, int(static.values["val1"]))
    ]


def eips_of(cloud: Cloud, owner_id: str) -> list[Eip]:
    """Return the public addresses that an owner has."""
    return [eip for eip in cloud.state.eips.values() if eip.bound_to[1] == owner_id]


def forwards_of_instance(cloud: Cloud, instance: Instance) -> list[Forward]:
    """Return a forward for every port of the instance that its group opens."""
    vxnet = cloud.state.vxnets.get(instance.vxnet_id)
    if vxnet is None or not instance.address:
        return []
    ports = sorted(set(_opened(cloud.firewall.rules_of(instance.group_id))))
    return [
        Forward(eip.address, port, instance.id, vxnet.router_id, instance.address, port)
        for eip in eips_of(cloud, instance.id)
        for port in ports
    ]


def _opened(rules: tuple[Rule, ...]) -> Iterator[int]:
    for rule in rules:
        opens_ports = rule.protocol == "tcp" and rule.action == "accept" and rule.val1
        if opens_ports and rule.direction == INBOUND and not rule.is_disabled:
            first, last = max(int(rule.val1), 1), int(rule.val2 or rule.val1)
            yield from range(first, min(last, first + MOST_PORTS_OF_A_RULE - 1) + 1)


def forwards_of_balancer(cloud: Cloud, balancer: LoadBalancer) -> list[Forward]:
    """Return a forward for every listener in force."""
    vxnet = cloud.state.vxnets.get(balancer.vxnet_id)
    if vxnet is None or balancer.status != "active":
        return []
    in_force = (active.listener for active in balancer.applied.listeners)
    ports = [listener.port for listener in in_force if not listener.is_udp]
    return [
        Forward(eip.address, port, balancer.id, vxnet.router_id, balancer.address, port)
        for eip in eips_of(cloud, balancer.id)
        for port in ports
    ]


async def refresh_router(cloud: Cloud, router: Router) -> None:
    """Publish the forwards of a router. Raises `JobFailure` when a port cannot be bound."""
    await cloud.public.publish(router.id, partial(forwards_of, cloud, router))


async def refresh_instance(cloud: Cloud, instance: Instance) -> None:
    """Publish the open ports of an instance, except those that cannot be bound."""
    wanted = partial(forwards_of_instance, cloud, instance)
    await cloud.public.publish(instance.id, wanted, leniently=True)


async def refresh_balancer(cloud: Cloud, balancer: LoadBalancer) -> None:
    """Publish the listeners of a balancer. Raises `JobFailure` when a port cannot be bound."""
    await cloud.public.publish(balancer.id, partial(forwards_of_balancer, cloud, balancer))


async def refresh_users_of(cloud: Cloud, group_id: str) -> None:
    """Open and close public ports after the rules of a group were applied.

    Raises:
        JobFailure: a port that the rules now open cannot be bound.
    """
    for router in cloud.state.routers.alive():
        if router.applied.group_id == group_id:
            await refresh_router(cloud, router)
    for instance in cloud.state.instances.alive():
        if instance.group_id == group_id and eips_of(cloud, instance.id):
            await refresh_instance(cloud, instance)

"""Which ports a router publishes, and keeping that true when rules change."""

from functools import partial

from localcloud.iaas.cloud import Cloud
from localcloud.iaas.firewall import opens
from localcloud.iaas.public import Forward
from localcloud.iaas.records import Router


def forwards_of(cloud: Cloud, router: Router) -> list[Forward]:
    """Return the forwards in force whose port some rule in force opens."""
    eip = cloud.state.eips.get(router.applied.eip_id)
    if eip is None:
        return []
    rules = cloud.firewall.rules_of(router.applied.group_id)
    return [
        Forward(
            address=eip.address,
            port=int(static.values["val1"]),
            router_id=router.id,
            target=static.values["val2"],
            target_port=int(static.values["val3"]),
        )
        for static in router.applied.forwards
        if opens(rules, int(static.values["val1"]))
    ]


async def refresh_routers_of(cloud: Cloud, group_id: str) -> None:
    """Open and close public ports after the rules of a group have come into force.

    Raises:
        JobFailure: a port that the rules now open cannot be had.
    """
    for router in cloud.state.routers.alive():
        if router.applied.group_id == group_id:
            await cloud.public.publish(router.id, partial(forwards_of, cloud, router))

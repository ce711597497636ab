"""Routers with their VPC. Joining networks is in `joining`, port forwards are in `statics`."""

import ipaddress
import logging
from collections.abc import Sequence
from dataclasses import replace

from localcloud.iaas import quotas
from localcloud.iaas.actions.eips import bind, require_available, unbind
from localcloud.iaas.actions.joining import vxnets_of
from localcloud.iaas.answers import Document, common, describe, life, rename
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import JobFailure, PermissionDenied, Refusal
from localcloud.iaas.faults.leniencies import AppliesByItself
from localcloud.iaas.lifecycle import Step, begin, continues, require_settled
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.publication import refresh_router
from localcloud.iaas.records import PENDING, Router, RouterInForce

log = logging.getLogger(__name__)

UNTIL_NEXT_LOOK = 0.5
"""Seconds between checks of a busy router that applies its changes by itself."""

CREATE = Step((), "creating", "active", "create_router")
UPDATE = Step(("active",), "updating", "", "change_router")
POWER_OFF = Step(("active",), "poweroffing", "poweroffed", "change_router")
POWER_ON = Step(("poweroffed",), "poweroning", "active", "change_router")
DELETE = Step(
    ("active", "poweroffed", "suspended"),
    "deleting",
    "ceased",  # at once: a router has no recycle bin
    "change_router",
    needs_lease=True,
)

SMALL, LARGEST_TYPE = 1, 3
VPC_NETWORKS = frozenset({"192.168.0.0/16", *(f"172.{n}.0.0/16" for n in range(16, 32))})


def create_routers(cloud: Cloud, parameters: Parameters) -> Document:
    cidr = parameters.choice("vpc_network", VPC_NETWORKS)
    kind = parameters.integer("router_type", SMALL, high=LARGEST_TYPE)
    group = cloud.state.groups.read(parameters.text("security_group", cloud.state.default_group_id))
    count = parameters.integer("count", 1, low=1)
    quotas.require(cloud, router=count)
    routers = [
        cloud.state.routers.add(
            Router(
                id=cloud.new_id("rtr"),
                name=parameters.text("router_name"),
                created_at=cloud.now(),
                status=PENDING,
                type=kind,
                cidr=cidr,
                group_id=group.id,
            )
        )
        for _ in range(count)
    ]
    job_id = _set_up(cloud, routers)
    return {"routers": [router.id for router in routers], "job_id": job_id}


def _set_up(cloud: Cloud, routers: Sequence[Router]) -> str:

    async def come_up(router: Router) -> None:
        router.private_ip = str(ipaddress.IPv4Network(router.cidr)[-2])
        router.applied = RouterInForce(group_id=router.group_id)

    return begin(cloud, "CreateRouters", routers, CREATE, come_up)


@continues("CreateRouters")
def _set_up_again(cloud: Cloud, unfinished: Sequence[str], parameters: Parameters) -> str:
    return _set_up(cloud, [cloud.state.routers[one] for one in unfinished])


def describe_routers(cloud: Cloud, parameters: Parameters) -> Document:
    verbose, vxnet = parameters.flag("verbose"), parameters.text("vxnet")
    found = [
        router
        for router in cloud.state.routers.values()
        if not vxnet or vxnet in [v.id for v in vxnets_of(cloud, router)]
    ]
    return describe(
        cloud, parameters, found, lambda router: document(cloud, router, verbose), "router"
    )


def document(cloud: Cloud, router: Router, verbose: bool) -> Document:
    eip = cloud.state.eips.get(router.eip_id)
    answer = common(cloud, router, "router") | life(router)
    answer |= {
        "router_type": router.type,
        "private_ip": router.private_ip,
        "is_applied": int(router.is_applied),
        "security_group_id": router.group_id,
        "vpc_network": router.cidr,
        "mode": 1,
        "features": 0,
        "eip": {
            "eip_id": eip.id if eip else "",
            "eip_name": eip.name if eip else "",
            "eip_addr": eip.address if eip else "",
        },
    }
    if verbose:
        answer["vxnets"] = [
            {"vxnet_id": vxnet.id, "nic_id": ""} for vxnet in vxnets_of(cloud, router)
        ]
    return answer


def modify_router_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    """Change attributes of a router.

    An address takes effect with UpdateRouters, a security group when it is applied. An empty `eip`
    unbinds; an empty `security_group` means nothing, because a public client always sends one.
    """
    router = cloud.state.routers.read(parameters.required_text("router"))
    require_settled(router)
    eip_id, group_id = parameters.text("eip"), parameters.text("security_group")
    if eip_id and eip_id != router.eip_id:
        _require_available(cloud, router, eip_id)
    if group_id:
        cloud.state.groups.read(group_id)
    rename(parameters, router, "router")
    if parameters.given("eip") and eip_id != router.eip_id:
        router.eip_id = eip_id
        touch(cloud, router)
    if group_id and group_id != router.group_id:
        router.group_id = group_id
        cloud.state.groups.read(group_id).is_applied = False
    return {"router_id": router.id}


def _require_available(cloud: Cloud, router: Router, eip_id: str) -> None:
    eip = cloud.state.eips.read(eip_id)
    if eip.bound_to == (Router.kind, router.id):
        return
    require_available(eip, "router")


def update_routers(cloud: Cloud, parameters: Parameters) -> Document:
    """Apply the pending changes of routers."""
    routers = cloud.state.routers.read_all(parameters.required_texts("routers"))
    for router in routers:
        if router.eip_id:
            _require_available(cloud, router, router.eip_id)

    async def update(router: Router) -> None:
        await put_in_force(cloud, router)
        unbind_wanted(router)

    def unbind_wanted(router: Router) -> None:
        if eip := cloud.state.eips.get(router.eip_id):
            eip.transition = ""

    job_id = begin(cloud, "UpdateRouters", routers, UPDATE, update, unbind_wanted)
    for router in routers:
        # So that the address is not released while it is being bound.
        eip = cloud.state.eips.get(router.eip_id)
        if eip and eip.status == "available":
            eip.transition = "associating"
    return {"routers": [router.id for router in routers], "job_id": job_id}


async def put_in_force(cloud: Cloud, router: Router) -> None:
    """Apply the pending changes of one router.

    Raises:
        JobFailure: a public port cannot be bound; everything stays as it was.
    """
    forwards = tuple(
        static
        for static in cloud.state.statics.values()
        if static.router_id == router.id and static.type == 1 and not static.is_disabled
    )
    before = router.applied
    router.applied = replace(before, eip_id=router.eip_id, forwards=forwards)
    try:
        await refresh_router(cloud, router)
    except JobFailure:
        # Only what this update has changed: rules may have been applied meanwhile.
        router.applied = replace(router.applied, eip_id=before.eip_id, forwards=before.forwards)
        raise
    if before.eip_id != router.eip_id:
        unbind(cloud, before.eip_id)
        bind(cloud, router.eip_id, router)
    router.is_applied = True


def touch(cloud: Cloud, router: Router) -> None:
    """Mark a router as not applied; with a leniency, schedule its update."""
    router.is_applied = False

    async def apply() -> None:
        if router.is_applied or router.status != "active":
            return
        if router.transition:
            cloud.jobs.later(UNTIL_NEXT_LOOK, apply)
            return
        try:
            if router.eip_id:
                _require_available(cloud, router, router.eip_id)
            await put_in_force(cloud, router)
        except (Refusal, JobFailure) as error:
            log.warning("%s stays unchanged: %s", router.id, error)

    if leniency := cloud.faults.strike(AppliesByItself):
        cloud.jobs.later(leniency.seconds, apply)


def power_off_routers(cloud: Cloud, parameters: Parameters) -> Document:
    """Power off routers: they publish nothing. The VPC itself stays connected."""
    routers = cloud.state.routers.read_all(parameters.required_texts("routers"))

    async def power_off(router: Router) -> None:
        await cloud.public.publish(router.id, tuple)

    return {"job_id": begin(cloud, "PowerOffRouters", routers, POWER_OFF, power_off)}


def power_on_routers(cloud: Cloud, parameters: Parameters) -> Document:
    routers = cloud.state.routers.read_all(parameters.required_texts("routers"))

    async def power_on(router: Router) -> None:
        router.become("active", cloud.now())  # first: a router that is off publishes nothing
        await refresh_router(cloud, router)

    return {"job_id": begin(cloud, "PowerOnRouters", routers, POWER_ON, power_on)}


def delete_routers(cloud: Cloud, parameters: Parameters) -> Document:
    """Delete routers without networks, with their forwards; they skip the recycle bin."""
    routers = cloud.state.routers.read_all(parameters.required_texts("routers"))
    for router in routers:
        if vxnets := vxnets_of(cloud, router):
            raise PermissionDenied(
                f"router [{router.id}] is joined by vxnet [{vxnets[0].id}], can not be deleted"
            )

    async def delete(router: Router) -> None:
        await cloud.public.publish(router.id, tuple)
        unbind(cloud, router.applied.eip_id)
        router.applied, router.eip_id = RouterInForce(), ""
        for static in [s for s in cloud.state.statics.values() if s.router_id == router.id]:
            del cloud.state.statics[static.id]
        cloud.state.drop_tags(router)

    job_id = begin(cloud, "DeleteRouters", routers, DELETE, delete)
    return {"routers": [router.id for router in routers], "job_id": job_id}


ACTIONS = {
    "CreateRouters": create_routers,
    "DescribeRouters": describe_routers,
    "ModifyRouterAttributes": modify_router_attributes,
    "UpdateRouters": update_routers,
    "PowerOffRouters": power_off_routers,
    "PowerOnRouters": power_on_routers,
    "DeleteRouters": delete_routers,
}

"""Public addresses."""

from collections.abc import Callable
from dataclasses import replace

from localcloud.addresses import NoAddressLeft
from localcloud.iaas import quotas
from localcloud.iaas.answers import Document, common, describe, life, rename
from localcloud.iaas.balancer_records import LoadBalancer
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import PermissionDenied
from localcloud.iaas.lifecycle import Step, begin, finish, require, require_settled, start_job
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.publication import (
    eips_of,
    refresh_balancer,
    refresh_instance,
    refresh_router,
)
from localcloud.iaas.records import PENDING, Eip, Instance, Resource, Router

ASSOCIATE = Step(
    ("available",),
    "associating",
    "associated",
    "change_eip",
    "is not available, can not be associated to instance",
)
CHANGE = Step(("available", "associated"), "", "", "change_eip")  # no transition is documented
DISSOCIATE = Step(
    ("associated",),
    "dissociating",
    "available",
    "change_eip",
    "is not associated, can not be dissociated",
)
RELEASE = Step(
    ("available",),
    "releasing",
    "released",
    "change_eip",
    "is not available, can not be released",
    needs_lease=True,
)


def allocate_eips(cloud: Cloud, parameters: Parameters) -> Document:
    """Allocate addresses without a job; they are `pending` for a moment."""
    bandwidth = parameters.required_integer("bandwidth", low=1)
    billing_mode = parameters.choice("billing_mode", ("bandwidth", "traffic"), "bandwidth")
    count = parameters.integer("count", 1, low=1)
    quotas.require(cloud, eip=count, eip_bandwidth=count * bandwidth)
    addresses = _claim(cloud, count)
    eips = [
        cloud.state.eips.add(
            Eip(
                id=cloud.new_id("eip"),
                name=parameters.text("eip_name"),
                created_at=cloud.now(),
                status=PENDING,
                address=address,
                bandwidth=bandwidth,
                billing_mode=billing_mode,
                need_icp=parameters.integer("need_icp", 0, high=1),
                associate_mode=parameters.integer("associate_mode", 0, high=1),
            )
        )
        for address in addresses
    ]

    def become_available() -> None:
        for eip in eips:
            finish(eip, "available", cloud.now())

    cloud.jobs.later(cloud.profile.change_eip, become_available)
    return {"eips": [eip.id for eip in eips]}


def _claim(cloud: Cloud, count: int) -> list[str]:
    try:
        return cloud.addresses.claim(count)
    except NoAddressLeft as error:
        raise PermissionDenied(str(error)) from error


def describe_eips(cloud: Cloud, parameters: Parameters) -> Document:
    user = parameters.text("instance_id")
    found = [eip for eip in cloud.state.eips.values() if not user or eip.bound_to[1] == user]
    return describe(cloud, parameters, found, lambda eip: document(cloud, eip), "eip")


def document(cloud: Cloud, eip: Eip) -> Document:
    kind, resource_id = eip.bound_to
    user = user_of(cloud, eip)
    return (
        common(cloud, eip, "eip")
        | life(eip)
        | {
            "eip_addr": eip.address,
            "bandwidth": eip.bandwidth,
            "billing_mode": eip.billing_mode,
            "need_icp": eip.need_icp,
            "icp_codes": "",
            "associate_mode": eip.associate_mode,
            "resource": {
                "resource_id": resource_id,
                "resource_name": user.name if user else "",
                "resource_type": kind,
            },
            "eip_group": {"eip_group_id": "eipg-local", "eip_group_name": "loopback"},
        }
    )


def modify_eip_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    eip = cloud.state.eips.read(parameters.required_text("eip"))
    rename(parameters, eip, "eip")
    return {"eip_id": eip.id}


def user_of(cloud: Cloud, eip: Eip) -> Router | Instance | LoadBalancer | None:
    """Return the resource that an address is bound to."""
    state, (_, owner_id) = cloud.state, eip.bound_to
    return (
        state.routers.get(owner_id)
        or state.instances.get(owner_id)
        or state.loadbalancers.get(owner_id)
    )


def require_available(eip: Eip, what: str) -> None:
    """Refuse an address that is bound already or in a transition."""
    require_settled(eip)
    if eip.status != "available":
        raise PermissionDenied(
            f"public IP [{eip.id}] is not available, can not be associated to {what}"
        )


def bind(cloud: Cloud, eip_id: str, user: Resource) -> None:
    """Bind an address to a resource; an empty id is accepted."""
    if eip := cloud.state.eips.get(eip_id):
        eip.bound_to = (user.kind, user.id)
        finish(eip, "associated", cloud.now())


def unbind(cloud: Cloud, eip_id: str) -> None:
    """Make an address available again; an empty id is accepted."""
    if eip := cloud.state.eips.get(eip_id):
        eip.bound_to = ("", "")
        finish(eip, "available", cloud.now())


def associate_eip(cloud: Cloud, parameters: Parameters) -> Document:
    """Bind a public address to an instance; it publishes the ports that its group opens."""
    eip = cloud.state.eips.read(parameters.required_text("eip"))
    instance = cloud.state.instances.read(parameters.required_text("instance"))
    require_settled(instance)
    if instance.status not in ("running", "stopped"):
        raise PermissionDenied(f"instance [{instance.id}] is [{instance.status}]")
    if others := eips_of(cloud, instance.id):
        raise PermissionDenied(f"instance [{instance.id}] has public IP [{others[0].id}] already")

    async def associate(eip: Eip) -> None:
        eip.bound_to = (Instance.kind, instance.id)
        await refresh_instance(cloud, instance)

    return {"job_id": begin(cloud, "AssociateEip", [eip], ASSOCIATE, associate)}


def dissociate_eips(cloud: Cloud, parameters: Parameters) -> Document:
    """Unbind addresses, with immediate effect."""
    eips = cloud.state.eips.read_all(parameters.required_texts("eips"))

    async def dissociate(eip: Eip) -> None:
        await unpublish(cloud, eip)

    return {"job_id": begin(cloud, "DissociateEips", eips, DISSOCIATE, dissociate)}


async def unpublish(cloud: Cloud, eip: Eip) -> None:
    """Unpublish and unbind an address."""
    user = user_of(cloud, eip)
    eip.bound_to = ("", "")
    match user:
        case Router():
            user.eip_id = "" if user.eip_id == eip.id else user.eip_id
            user.applied = replace(user.applied, eip_id="")
            await refresh_router(cloud, user)
        case Instance():
            await refresh_instance(cloud, user)
        case LoadBalancer():
            await refresh_balancer(cloud, user)


async def unbind_all(cloud: Cloud, user: Resource) -> None:
    """Unpublish and unbind all addresses of a resource that is being deleted."""
    for eip in eips_of(cloud, user.id):
        await unpublish(cloud, eip)
        finish(eip, "available", cloud.now())


def change_eips_bandwidth(cloud: Cloud, parameters: Parameters) -> Document:
    bandwidth = parameters.required_integer("bandwidth", low=1)
    eips = cloud.state.eips.read_all(parameters.required_texts("eips"))
    quotas.require(cloud, eip_bandwidth=sum(bandwidth - eip.bandwidth for eip in eips))

    def change(eip: Eip) -> None:
        eip.bandwidth = bandwidth

    return _change(cloud, "ChangeEipsBandwidth", eips, change)


def change_eips_billing_mode(cloud: Cloud, parameters: Parameters) -> Document:
    billing_mode = parameters.choice("billing_mode", ("bandwidth", "traffic"))
    eips = cloud.state.eips.read_all(parameters.required_texts("eips"))

    def change(eip: Eip) -> None:
        eip.billing_mode = billing_mode

    return _change(cloud, "ChangeEipsBillingMode", eips, change)


def _change(cloud: Cloud, action: str, eips: list[Eip], change: Callable[[Eip], None]) -> Document:
    for eip in eips:
        require(cloud, eip, CHANGE)

    async def work() -> None:
        for eip in eips:
            change(eip)

    ids = [eip.id for eip in eips]
    return {"eips": ids, "job_id": start_job(cloud, action, ids, cloud.profile.change_eip, work)}


def release_eips(cloud: Cloud, parameters: Parameters) -> Document:
    eips = cloud.state.eips.read_all(parameters.required_texts("eips"))

    async def release(eip: Eip) -> None:
        cloud.addresses.release(eip.address)
        cloud.state.drop_tags(eip)

    job_id = begin(cloud, "ReleaseEips", eips, RELEASE, release)
    return {"eips": [eip.id for eip in eips], "job_id": job_id}


ACTIONS = {
    "AllocateEips": allocate_eips,
    "DescribeEips": describe_eips,
    "ModifyEipAttributes": modify_eip_attributes,
    "AssociateEip": associate_eip,
    "ChangeEipsBandwidth": change_eips_bandwidth,
    "ChangeEipsBillingMode": change_eips_billing_mode,
    "DissociateEips": dissociate_eips,
    "ReleaseEips": release_eips,
}

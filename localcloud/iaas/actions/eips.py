"""Public addresses."""

from dataclasses import replace

from localcloud.addresses import NoAddressLeft
from localcloud.iaas import quotas
from localcloud.iaas.answers import Document, common, describe, life, rename
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import PermissionDenied
from localcloud.iaas.lifecycle import Step, begin, finish
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import Eip, Router

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
    """Take addresses at once; they are `pending` for a moment, and there is no job."""
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
                status="pending",
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
    router = cloud.state.routers.get(resource_id)
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
                "resource_name": router.name if router else "",
                "resource_type": kind,
            },
            "eip_group": {"eip_group_id": "eipg-local", "eip_group_name": "loopback"},
        }
    )


def modify_eip_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    eip = cloud.state.eips.read(parameters.required_text("eip"))
    rename(parameters, eip, "eip")
    return {"eip_id": eip.id}


def bind(cloud: Cloud, eip_id: str, router: Router) -> None:
    """Give an address to a router; no address at all is fine."""
    if eip := cloud.state.eips.get(eip_id):
        eip.bound_to = (Router.kind, router.id)
        finish(eip, "associated", cloud.now())


def unbind(cloud: Cloud, eip_id: str) -> None:
    """Make an address available again; no address at all is fine."""
    if eip := cloud.state.eips.get(eip_id):
        eip.bound_to = ("", "")
        finish(eip, "available", cloud.now())


def dissociate_eips(cloud: Cloud, parameters: Parameters) -> Document:
    """Take addresses from their routers, in force at once."""
    eips = cloud.state.eips.read_all(parameters.required_texts("eips"))

    async def dissociate(eip: Eip) -> None:
        router = cloud.state.routers.get(eip.bound_to[1])
        eip.bound_to = ("", "")
        if router is None:
            return
        router.eip_id = "" if router.eip_id == eip.id else router.eip_id
        router.applied = replace(router.applied, eip_id="")
        await cloud.public.publish(router.id, tuple)

    return {"job_id": begin(cloud, "DissociateEips", eips, DISSOCIATE, dissociate)}


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
    "DissociateEips": dissociate_eips,
    "ReleaseEips": release_eips,
}

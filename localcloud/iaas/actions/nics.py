"""Additional network cards. Their addresses are reserved; no machine answers on them."""

from itertools import chain, repeat

from localcloud.iaas import quotas
from localcloud.iaas.actions.running import new_mac
from localcloud.iaas.answers import Document, common, describe, life, rename
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter, PermissionDenied, Refusal
from localcloud.iaas.lifecycle import Step, begin, require_settled
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import Nic
from localcloud.iaas.subnets import count_free, give_back, take_address

ATTACH = Step(
    ("available",), "attaching", "in-use", "change_volume", "is not available, can not be attached"
)
DETACH = Step(
    ("in-use",), "detaching", "available", "change_volume", "is not in use, can not be detached"
)


def create_nics(cloud: Cloud, parameters: Parameters) -> Document:
    """Create cards with the wanted or the next free addresses of a network; without a job."""
    vxnet = cloud.state.vxnets.read(parameters.required_text("vxnet"))
    wanted = parameters.texts("private_ips")
    count = parameters.integer("count", len(wanted) or 1, low=1)
    if len(wanted) > count or len(set(wanted)) < len(wanted):
        raise BadParameter(f"[{len(wanted)}] private_ips do not fit [{count}] nics")
    if count_free(vxnet) < count:
        raise PermissionDenied(f"vxnet [{vxnet.id}] has no [{count}] free addresses left")
    quotas.require(cloud, nic=count)
    nics = [
        Nic(
            id=new_mac(cloud),
            name=parameters.text("nic_name"),
            created_at=cloud.now(),
            status="available",
            vxnet_id=vxnet.id,
            address="",
        )
        for _ in range(count)
    ]
    try:
        for nic, address in zip(nics, chain(wanted, repeat("")), strict=False):
            nic.address = take_address(vxnet, nic.id, address)
    except Refusal:
        for nic in nics:
            give_back(vxnet, nic.id)
        raise
    for nic in nics:
        cloud.state.nics.add(nic)
    return {"nics": [{"nic_id": nic.id, "private_ip": nic.address} for nic in nics]}


def describe_nics(cloud: Cloud, parameters: Parameters) -> Document:
    vxnets, instances = parameters.texts("vxnets"), parameters.texts("instances")
    found = [
        nic
        for nic in cloud.state.nics.values()
        if (not vxnets or nic.vxnet_id in vxnets)
        and (not instances or nic.instance_id in instances)
    ]
    return describe(cloud, parameters, found, lambda nic: document(cloud, nic), "nic")


def document(cloud: Cloud, nic: Nic) -> Document:
    return (
        common(cloud, nic, "nic")
        | life(nic)
        | {
            "vxnet_id": nic.vxnet_id,
            "private_ip": nic.address,
            "instance_id": nic.instance_id,
            "role": 0,
            "sequence": 1,
            "security_group": "",
        }
    )


def modify_nic_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    nic = cloud.state.nics.read(parameters.required_text("nic"))
    wanted = parameters.text("private_ip", nic.address)
    if wanted != nic.address:
        if nic.instance_id:
            raise PermissionDenied(f"nic [{nic.id}] is in use, can not get another address")
        vxnet = cloud.state.vxnets.read(nic.vxnet_id)
        address = take_address(vxnet, nic.id, wanted)
        del vxnet.addresses[nic.address]
        nic.address = address
    rename(parameters, nic, "nic")
    return {"nic_id": nic.id}


def attach_nics(cloud: Cloud, parameters: Parameters) -> Document:
    nics = cloud.state.nics.read_all(parameters.required_texts("nics"))
    instance = cloud.state.instances.read(parameters.required_text("instance"))
    require_settled(instance)
    if instance.status not in ("running", "stopped"):
        raise PermissionDenied(f"instance [{instance.id}] is [{instance.status}]")

    async def attach(nic: Nic) -> None:
        nic.instance_id = instance.id

    return {"job_id": begin(cloud, "AttachNics", nics, ATTACH, attach)}


def detach_nics(cloud: Cloud, parameters: Parameters) -> Document:
    nics = cloud.state.nics.read_all(parameters.required_texts("nics"))

    async def detach(nic: Nic) -> None:
        nic.instance_id = ""

    return {"job_id": begin(cloud, "DetachNics", nics, DETACH, detach)}


def delete_nics(cloud: Cloud, parameters: Parameters) -> Document:
    nics = cloud.state.nics.read_all(parameters.required_texts("nics"))
    for nic in nics:
        require_settled(nic)
        if nic.instance_id:
            raise PermissionDenied(
                f"nic [{nic.id}] is attached to instance [{nic.instance_id}], can not be deleted"
            )
    for nic in nics:
        give_back(cloud.state.vxnets[nic.vxnet_id], nic.id)
        del cloud.state.nics[nic.id]
    return {"nics": [nic.id for nic in nics]}


ACTIONS = {
    "CreateNics": create_nics,
    "DescribeNics": describe_nics,
    "ModifyNicAttributes": modify_nic_attributes,
    "AttachNics": attach_nics,
    "DetachNics": detach_nics,
    "DeleteNics": delete_nics,
}

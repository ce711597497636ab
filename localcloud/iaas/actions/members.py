"""Move instances into and out of private networks.

A running machine gets its address by a restart; on the real cloud it asks the network's DHCP.
"""

from localcloud.iaas.actions.instances import come_up, document
from localcloud.iaas.actions.running import new_mac
from localcloud.iaas.answers import Document, page, select
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter, JobFailure, NotEmulated, PermissionDenied, Refusal
from localcloud.iaas.lifecycle import Step, begin
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.publication import refresh_instance
from localcloud.iaas.records import Instance
from localcloud.iaas.state import BASIC_VXNET
from localcloud.iaas.subnets import give_back, take_address

CHANGE = Step(("running", "stopped"), "updating", "", "change_instance")


def describe_vxnet_instances(cloud: Cloud, parameters: Parameters) -> Document:
    vxnet = cloud.state.vxnets.read(parameters.required_text("vxnet"))
    image, kind = parameters.text("image"), parameters.text("instance_type")
    status = parameters.text("status")
    found = [
        instance
        for instance in select(cloud, parameters, cloud.state.instances.values(), "instances")
        if instance.vxnet_id == vxnet.id
        and instance.is_alive
        and image in ("", instance.image_id)
        and kind in ("", instance.type_id)
        and status in ("", instance.status)
    ]
    return page(parameters, "instance_set", found, lambda one: document(cloud, one, verbose=False))


def join_vxnet(cloud: Cloud, parameters: Parameters) -> Document:
    """Move instances into a network; `vxnet` may fix the address of one: `vxnet-a|192.168.1.9`."""
    vxnet_id, _, address = parameters.required_text("vxnet").partition("|")
    vxnet = cloud.state.vxnets.read(vxnet_id)
    instances = cloud.state.instances.read_all(parameters.required_texts("instances"))
    if address and len(instances) > 1:
        raise BadParameter("a fixed address fits one instance only")
    for instance in instances:
        _require_outside(cloud, instance)

    async def join(instance: Instance) -> None:
        try:
            instance.address = take_address(vxnet, instance.id, address)
        except Refusal as refusal:
            raise JobFailure(str(refusal)) from refusal
        instance.vxnet_id, instance.nic_id = vxnet.id, new_mac(cloud)
        if vxnet.id == BASIC_VXNET and not instance.group_id:
            instance.group_id = cloud.state.default_group_id
        if instance.status == "running":
            come_up(cloud, instance)
        await refresh_instance(cloud, instance)

    return {"job_id": begin(cloud, "JoinVxnet", instances, CHANGE, join)}


def _require_outside(cloud: Cloud, instance: Instance) -> None:
    vxnet = cloud.state.vxnets.get(instance.vxnet_id)
    if vxnet is None:
        return
    if not vxnet.type:
        raise NotEmulated("instances in more than one vxnet")
    raise PermissionDenied(
        f"instance [{instance.id}] is in vxnet [{vxnet.id}], can not join another managed one"
    )


def leave_vxnet(cloud: Cloud, parameters: Parameters) -> Document:
    """Remove instances from a network; they keep running, unreachable."""
    vxnet = cloud.state.vxnets.read(parameters.required_text("vxnet"))
    instances = cloud.state.instances.read_all(parameters.required_texts("instances"))
    for instance in instances:
        if instance.vxnet_id != vxnet.id:
            raise PermissionDenied(f"instance [{instance.id}] is not in vxnet [{vxnet.id}]")

    async def leave(instance: Instance) -> None:
        await cloud.power.off(instance.id)
        give_back(vxnet, instance.id)
        instance.vxnet_id = instance.nic_id = instance.address = ""
        instance.has_lease = False
        await refresh_instance(cloud, instance)

    return {"job_id": begin(cloud, "LeaveVxnet", instances, CHANGE, leave)}


ACTIONS = {
    "DescribeVxnetInstances": describe_vxnet_instances,
    "JoinVxnet": join_vxnet,
    "LeaveVxnet": leave_vxnet,
}

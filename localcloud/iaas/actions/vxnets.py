"""Private networks. Joining a router is in `joining`."""

from localcloud.iaas import quotas
from localcloud.iaas.answers import Document, common, describe, rename
from localcloud.iaas.balancer_records import LoadBalancer
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import PermissionDenied
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import Instance, Nic, Vxnet
from localcloud.iaas.state import BASIC_VXNET
from localcloud.iaas.subnets import count_free

SELF_MANAGED, MANAGED = 0, 1


def create_vxnets(cloud: Cloud, parameters: Parameters) -> Document:
    kind = parameters.required_integer("vxnet_type", low=SELF_MANAGED, high=MANAGED)
    count = parameters.integer("count", 1, low=1)
    quotas.require(cloud, vxnet=count)
    created = [
        cloud.state.vxnets.add(
            Vxnet(
                id=cloud.new_id("vxnet"),
                name=parameters.text("vxnet_name"),
                created_at=cloud.now(),
                type=kind,
            )
        )
        for _ in range(count)
    ]
    return {"vxnets": [vxnet.id for vxnet in created]}


def describe_vxnets(cloud: Cloud, parameters: Parameters) -> Document:
    types = {int(kind) for kind in parameters.texts("vxnet_type") if kind.isdigit()}
    if parameters.text("vxnet_type"):
        types.add(parameters.required_integer("vxnet_type"))
    verbose = parameters.flag("verbose")
    found = [v for v in cloud.state.vxnets.values() if not types or v.type in types]
    return describe(
        cloud, parameters, found, lambda vxnet: document(cloud, vxnet, verbose), "vxnet"
    )


def document(cloud: Cloud, vxnet: Vxnet, verbose: bool) -> Document:
    answer = common(cloud, vxnet, "vxnet") | {
        "vxnet_type": vxnet.type,
        "vpc_router_id": vxnet.router_id,  # terraform dereferences it: a text, never null
        "available_ip_count": count_free(vxnet),
        "router": _router(cloud, vxnet),
    }
    if verbose:
        answer["instance_ids"] = [
            i.id for i in cloud.state.instances.alive() if i.vxnet_id == vxnet.id
        ]
    return answer


def _router(cloud: Cloud, vxnet: Vxnet) -> Document:
    router = cloud.state.routers.get(vxnet.router_id)
    if router is None:
        return {}
    return {
        "router_id": router.id,
        "router_name": router.name,
        "manager_ip": vxnet.manager_ip,
        "ip_network": vxnet.cidr,
        "dyn_ip_start": vxnet.first_ip,
        "dyn_ip_end": vxnet.last_ip,
        "mode": 1,
    }


def modify_vxnet_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    vxnet = cloud.state.vxnets.read(parameters.required_text("vxnet"))
    if vxnet.id == BASIC_VXNET:
        raise PermissionDenied(f"vxnet [{vxnet.id}] belongs to the zone, can not be modified")
    rename(parameters, vxnet, "vxnet")
    return {"vxnet_id": vxnet.id}


def delete_vxnets(cloud: Cloud, parameters: Parameters) -> Document:
    """Delete empty networks that are joined to no router; all or none."""
    vxnets = cloud.state.vxnets.read_all(parameters.required_texts("vxnets"))
    for vxnet in vxnets:
        if vxnet.id == BASIC_VXNET:
            raise PermissionDenied(f"vxnet [{vxnet.id}] belongs to the zone, can not be deleted")
        require_empty(cloud, vxnet, "deleted")
        if vxnet.router_id:
            raise PermissionDenied(
                f"vxnet [{vxnet.id}] has joined router [{vxnet.router_id}], can not be deleted"
            )
    for vxnet in vxnets:
        cloud.state.drop_tags(vxnet)
        del cloud.state.vxnets[vxnet.id]
    return {"vxnets": [vxnet.id for vxnet in vxnets]}


def require_empty(cloud: Cloud, vxnet: Vxnet, what: str) -> None:
    """Refuse a network that instances, load balancers or network cards use."""
    state = cloud.state
    users: list[Instance | LoadBalancer | Nic] = [
        *state.instances.alive(),
        *state.loadbalancers.alive(),
        *state.nics.values(),
    ]
    for user in users:
        if user.vxnet_id == vxnet.id:
            raise PermissionDenied(
                f"vxnet [{vxnet.id}] is used by {user.kind} [{user.id}], can not be {what}"
            )


ACTIONS = {
    "CreateVxnets": create_vxnets,
    "DescribeVxnets": describe_vxnets,
    "ModifyVxnetAttributes": modify_vxnet_attributes,
    "DeleteVxnets": delete_vxnets,
}

"""Join private networks to routers and detach them; both take effect without UpdateRouters."""

import ipaddress
from collections.abc import Sequence

from localcloud.iaas.actions.vxnets import MANAGED, require_empty
from localcloud.iaas.answers import Document, page
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter, JobFailure, PermissionDenied
from localcloud.iaas.lifecycle import Step, begin, continues, require
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import Router, Vxnet

CHANGE = Step(("active", "poweroffed"), "updating", "", "change_router")
DHCP = 1


def vxnets_of(cloud: Cloud, router: Router) -> list[Vxnet]:
    return [vxnet for vxnet in cloud.state.vxnets.values() if vxnet.router_id == router.id]


def describe_router_vxnets(cloud: Cloud, parameters: Parameters) -> Document:
    router_id = parameters.required_text("router")
    if router_id != "*":
        cloud.state.routers.read(router_id)
    only = parameters.text("vxnet")
    found = [
        vxnet
        for vxnet in cloud.state.vxnets.values()
        if vxnet.router_id
        and router_id in ("*", vxnet.router_id)
        and (not only or vxnet.id == only)
    ]
    return page(parameters, "router_vxnet_set", found, _router_vxnet)


def _router_vxnet(vxnet: Vxnet) -> Document:
    return {
        "router_id": vxnet.router_id,
        "vxnet_id": vxnet.id,
        "vxnet_name": vxnet.name,
        "ip_network": vxnet.cidr,
        "manager_ip": vxnet.manager_ip,
        "dyn_ip_start": vxnet.first_ip,
        "dyn_ip_end": vxnet.last_ip,
        "features": vxnet.features,
    }


def join_router(cloud: Cloud, parameters: Parameters) -> Document:
    """Join a network to a router: it gets addresses, a gateway and a place in the VPC."""
    router = cloud.state.routers.read(parameters.required_text("router"))
    vxnet = cloud.state.vxnets.read(parameters.required_text("vxnet"))
    network = parameters.network("ip_network")
    features = parameters.integer("features", DHCP, low=DHCP, high=DHCP)
    _check_fit(cloud, router, vxnet, network)
    manager_ip = parameters.text("manager_ip", str(network[1]))
    first_ip = parameters.text("dyn_ip_start", str(network[2]))
    last_ip = parameters.text("dyn_ip_end", str(network[-2]))
    require(cloud, router, CHANGE)
    vxnet.cidr, vxnet.features = str(network), features  # reserved from now on
    vxnet.manager_ip, vxnet.first_ip, vxnet.last_ip = manager_ip, first_ip, last_ip
    return {"router_id": router.id, "vxnet_id": vxnet.id, "job_id": _connect(cloud, router, vxnet)}


def _connect(cloud: Cloud, router: Router, vxnet: Vxnet) -> str:
    async def join(router: Router) -> None:
        vxnet.router_id = router.id

    def give_up(router: Router) -> None:
        _take_addresses_from(vxnet)

    return begin(cloud, "JoinRouter", [router], CHANGE, join, give_up)


@continues("JoinRouter")
def _connect_again(cloud: Cloud, unfinished: Sequence[str], parameters: Parameters) -> str:
    router = cloud.state.routers.read(parameters.required_text("router"))
    return _connect(cloud, router, cloud.state.vxnets.read(parameters.required_text("vxnet")))


def _take_addresses_from(vxnet: Vxnet) -> None:
    vxnet.router_id = vxnet.cidr = vxnet.manager_ip = vxnet.first_ip = vxnet.last_ip = ""


def _check_fit(cloud: Cloud, router: Router, vxnet: Vxnet, network: ipaddress.IPv4Network) -> None:
    if vxnet.type != MANAGED:
        raise PermissionDenied(f"vxnet [{vxnet.id}] is not managed, can not join a router")
    if vxnet.cidr:
        raise PermissionDenied(f"vxnet [{vxnet.id}] has already joined a router")
    if network.prefixlen != 24:
        raise BadParameter(f"ip_network [{network}] should be a /24")
    if not network.subnet_of(ipaddress.IPv4Network(router.cidr)):
        raise PermissionDenied(f"ip_network [{network}] is outside of vpc_network [{router.cidr}]")
    if str(network) in [other.cidr for other in vxnets_of(cloud, router)]:
        raise PermissionDenied(f"ip_network [{network}] is already used in router [{router.id}]")


def leave_router(cloud: Cloud, parameters: Parameters) -> Document:
    """Detach empty networks from a router."""
    router = cloud.state.routers.read(parameters.required_text("router"))
    vxnets = cloud.state.vxnets.read_all(parameters.required_texts("vxnets"))
    for vxnet in vxnets:
        if vxnet.router_id != router.id:
            raise PermissionDenied(f"vxnet [{vxnet.id}] has not joined router [{router.id}]")
        require_empty(cloud, vxnet, "taken from its router")

    async def leave(router: Router) -> None:
        if taken := [vxnet.id for vxnet in vxnets if vxnet.addresses]:
            raise JobFailure(f"vxnet [{taken[0]}] has been moved into meanwhile")
        for vxnet in vxnets:
            _take_addresses_from(vxnet)

    job_id = begin(cloud, "LeaveRouter", [router], CHANGE, leave)
    return {"router_id": router.id, "vxnets": [v.id for v in vxnets], "job_id": job_id}


ACTIONS = {
    "DescribeRouterVxnets": describe_router_vxnets,
    "JoinRouter": join_router,
    "LeaveRouter": leave_router,
}

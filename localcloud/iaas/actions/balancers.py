"""Load balancers: in a VPC, or public ones in the basic network of the zone."""

from collections.abc import Sequence
from dataclasses import replace

from localcloud.iaas import quotas
from localcloud.iaas.actions import listeners
from localcloud.iaas.actions.eips import bind, require_available, unbind_all
from localcloud.iaas.answers import Document, common, describe, life, rename
from localcloud.iaas.balancer_records import BalancerInForce, ListenerInForce, LoadBalancer
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import MissingParameter, PermissionDenied
from localcloud.iaas.lifecycle import Step, begin, continues, require_settled
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.publication import eips_of, refresh_balancer
from localcloud.iaas.records import PENDING, Eip, Vxnet
from localcloud.iaas.state import BASIC_VXNET
from localcloud.iaas.subnets import give_back, move, take_address, take_address_of_balancers

CREATE = Step((), "creating", "active", "create_loadbalancer")
UPDATE = Step(("active", "stopped"), "updating", "", "change_loadbalancer")
DELETE = Step(
    ("active", "stopped", "suspended"),
    "deleting",
    "deleted",
    "change_loadbalancer",
    needs_lease=True,
)
LARGEST_TYPE = 5
MOST_EIPS = 4
MOST_VERBOSE = 2
"""The level of detail that QingCloud's cloud controller manager asks for."""


def create_loadbalancer(cloud: Cloud, parameters: Parameters) -> Document:
    """Create a load balancer: public with `eips`, private with `vxnet`."""
    eips = cloud.state.eips.read_all(parameters.texts("eips"))
    vxnet = _read_vxnet(cloud, parameters, is_public=bool(eips))
    require_free(eips)
    group_id = parameters.text("security_group")
    if group_id:
        cloud.state.groups.read(group_id)
    quotas.require(cloud, loadbalancer=1)
    balancer_id = cloud.new_id("lb")
    balancer = LoadBalancer(
        id=balancer_id,
        name=parameters.text("loadbalancer_name"),
        created_at=cloud.now(),
        status=PENDING,
        type=parameters.integer("loadbalancer_type", 0, high=LARGEST_TYPE),
        vxnet_id=vxnet.id,
        group_id=group_id,
        http_header_size=parameters.integer("http_header_size", 15, low=1, high=127),
        node_count=parameters.integer("node_count", 1, low=1),
        address=(
            take_address_of_balancers(vxnet, balancer_id)
            if eips
            else take_address(vxnet, balancer_id, parameters.text("private_ip"))
        ),
    )
    cloud.state.loadbalancers.add(balancer)
    return {"loadbalancer_id": balancer.id, "job_id": _set_up(cloud, balancer, eips)}


def _set_up(cloud: Cloud, balancer: LoadBalancer, eips: Sequence[Eip]) -> str:
    for eip in eips:
        eip.transition = "associating"

    async def come_up(balancer: LoadBalancer) -> None:
        balancer.applied = BalancerInForce(group_id=balancer.group_id)
        for eip in eips:
            eip.transition = ""
            bind(cloud, eip.id, balancer)

    def abandon(balancer: LoadBalancer) -> None:
        give_back(cloud.state.vxnets[balancer.vxnet_id], balancer.id)
        for eip in eips:
            eip.transition = ""

    return begin(cloud, "CreateLoadBalancer", [balancer], CREATE, come_up, abandon)


@continues("CreateLoadBalancer")
def _set_up_again(cloud: Cloud, unfinished: Sequence[str], parameters: Parameters) -> str:
    if not unfinished:
        raise PermissionDenied("the load balancer is there already")
    eips = cloud.state.eips.read_all(parameters.texts("eips"))
    return _set_up(cloud, cloud.state.loadbalancers[unfinished[0]], eips)


def _read_vxnet(cloud: Cloud, parameters: Parameters, is_public: bool) -> Vxnet:
    if is_public:
        if parameters.text("vxnet", BASIC_VXNET) != BASIC_VXNET:
            raise PermissionDenied(
                f"a loadbalancer in vxnet [{parameters.text('vxnet')}] gets its public IP "
                "by AssociateEipsToLoadBalancer"
            )
        return cloud.state.vxnets[BASIC_VXNET]
    vxnet = cloud.state.vxnets.read(parameters.required_text("vxnet"))
    if vxnet.id == BASIC_VXNET:
        raise MissingParameter("eips")
    if not vxnet.router_id:
        raise PermissionDenied(
            f"vxnet [{vxnet.id}] has not joined a router, can not hold a loadbalancer"
        )
    return vxnet


def require_free(eips: list[Eip], already: int = 0) -> None:
    """Refuse more addresses than a balancer can have, and those that are in use."""
    if already + len(eips) > MOST_EIPS:
        raise PermissionDenied(f"a loadbalancer can have [{MOST_EIPS}] public IPs at most")
    for eip in eips:
        require_available(eip, "loadbalancer")


def describe_loadbalancers(cloud: Cloud, parameters: Parameters) -> Document:
    verbose = parameters.integer("verbose", 0, high=MOST_VERBOSE) > 0
    return describe(
        cloud,
        parameters,
        cloud.state.loadbalancers.values(),
        lambda balancer: document(cloud, balancer, verbose),
        "loadbalancer",
    )


def document(cloud: Cloud, balancer: LoadBalancer, verbose: bool) -> Document:
    is_public = balancer.vxnet_id == BASIC_VXNET
    eips = [_eip(eip) for eip in eips_of(cloud, balancer.id)]
    shown = balancer.status not in (PENDING, "deleted", "ceased")
    answer = common(cloud, balancer, "loadbalancer") | life(balancer)
    answer |= {
        "loadbalancer_type": balancer.type,
        "is_applied": int(balancer.is_applied),
        "vxnet_id": balancer.vxnet_id,
        "private_ips": [balancer.address] if shown else [],
        "eips": [] if is_public else eips,
        "cluster": eips if is_public else [],
        "node_count": balancer.node_count,
        "security_group_id": balancer.group_id,
        "http_header_size": balancer.http_header_size,
        "mode": 0,
    }
    if verbose:
        answer["listeners"] = [
            listeners.document(cloud, listener, verbose=False)
            for listener in listeners.listeners_of(cloud, balancer.id)
        ]
    return answer


def _eip(eip: Eip) -> Document:
    return {
        "eip_id": eip.id,
        "eip_name": eip.name,
        "eip_addr": eip.address,
        "instances": [],
    }


def modify_loadbalancer_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    """Change attributes; all but the name takes effect with UpdateLoadBalancers."""
    balancer = cloud.state.loadbalancers.read(parameters.required_text("loadbalancer"))
    require_settled(balancer)
    group_id = parameters.text("security_group", balancer.group_id)
    header_size = parameters.integer("http_header_size", balancer.http_header_size, low=1, high=127)
    node_count = parameters.integer("node_count", balancer.node_count, low=1)
    if group_id:
        cloud.state.groups.read(group_id)
    _want_address(cloud, balancer, parameters.text("private_ip"))
    rename(parameters, balancer, "loadbalancer")
    before = (balancer.group_id, balancer.http_header_size, balancer.node_count)
    if before != (group_id, header_size, node_count):
        balancer.is_applied = False
    balancer.group_id = group_id
    balancer.http_header_size, balancer.node_count = header_size, node_count
    return {"loadbalancer_id": balancer.id}


def _want_address(cloud: Cloud, balancer: LoadBalancer, address: str) -> None:
    """Reserve another private address; an empty or unchanged one is accepted."""
    vxnet = cloud.state.vxnets[balancer.vxnet_id]
    if not address or address == (balancer.wanted_address or balancer.address):
        return
    if address == balancer.address:
        move(vxnet, balancer.id, address)
        balancer.wanted_address = ""
        return
    take_address(vxnet, balancer.id, address)
    vxnet.addresses.pop(balancer.wanted_address, None)
    balancer.wanted_address = address
    balancer.is_applied = False


def update_loadbalancers(cloud: Cloud, parameters: Parameters) -> Document:
    """Apply the pending changes of balancers."""
    balancers = cloud.state.loadbalancers.read_all(parameters.required_texts("loadbalancers"))

    async def update(balancer: LoadBalancer) -> None:
        await put_in_force(cloud, balancer)

    return {"job_id": begin(cloud, "UpdateLoadBalancers", balancers, UPDATE, update)}


async def put_in_force(cloud: Cloud, balancer: LoadBalancer) -> None:
    """Apply the pending changes of one balancer.

    Raises:
        JobFailure: a public port cannot be bound; everything stays as it was.
    """
    new = replace(
        balancer,
        address=balancer.wanted_address or balancer.address,
        applied=BalancerInForce(
            balancer.group_id,
            tuple(
                ListenerInForce(listener, tuple(listeners.backends_of(cloud, listener.id)))
                for listener in listeners.listeners_of(cloud, balancer.id)
            ),
        ),
    )
    await refresh_balancer(cloud, new)
    balancer.address, balancer.applied, balancer.wanted_address = new.address, new.applied, ""
    move(cloud.state.vxnets[balancer.vxnet_id], balancer.id, balancer.address)
    if balancer.status == "active":
        cloud.balancers.refresh(balancer)
    balancer.is_applied = True


def delete_loadbalancers(cloud: Cloud, parameters: Parameters) -> Document:
    """Delete balancers with their listeners and backends."""
    balancers = cloud.state.loadbalancers.read_all(parameters.required_texts("loadbalancers"))

    async def delete(balancer: LoadBalancer) -> None:
        cloud.balancers.stop(balancer.id)
        for listener in listeners.listeners_of(cloud, balancer.id):
            listeners.forget(cloud, listener)
        if vxnet := cloud.state.vxnets.get(balancer.vxnet_id):
            give_back(vxnet, balancer.id)
        balancer.applied = BalancerInForce()
        await unbind_all(cloud, balancer)
        cloud.state.drop_tags(balancer)

    job_id = begin(cloud, "DeleteLoadBalancers", balancers, DELETE, delete)
    return {"loadbalancers": [balancer.id for balancer in balancers], "job_id": job_id}


ACTIONS = {
    "CreateLoadBalancer": create_loadbalancer,
    "DescribeLoadBalancers": describe_loadbalancers,
    "ModifyLoadBalancerAttributes": modify_loadbalancer_attributes,
    "UpdateLoadBalancers": update_loadbalancers,
    "DeleteLoadBalancers": delete_loadbalancers,
}

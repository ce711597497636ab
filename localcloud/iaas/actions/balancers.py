"""Load balancers inside a VPC."""

from localcloud.iaas import quotas
from localcloud.iaas.actions import listeners
from localcloud.iaas.answers import Document, common, describe, life, rename
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import NotEmulated, PermissionDenied
from localcloud.iaas.lifecycle import Step, begin, require_settled
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import BalancerInForce, ListenerInForce, LoadBalancer
from localcloud.iaas.state import BASIC_VXNET
from localcloud.iaas.subnets import give_back, take_address

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


def create_loadbalancer(cloud: Cloud, parameters: Parameters) -> Document:
    if parameters.texts("eips") or parameters.text("vxnet") == BASIC_VXNET:
        raise NotEmulated("load balancers with public addresses of their own")
    vxnet = cloud.state.vxnets.read(parameters.required_text("vxnet"))
    if not vxnet.router_id:
        raise PermissionDenied(
            f"vxnet [{vxnet.id}] has not joined a router, can not hold a loadbalancer"
        )
    group_id = parameters.text("security_group")
    if group_id:
        cloud.state.groups.read(group_id)
    quotas.require(cloud, loadbalancer=1)
    balancer_id = cloud.new_id("lb")
    balancer = LoadBalancer(
        id=balancer_id,
        name=parameters.text("loadbalancer_name"),
        created_at=cloud.now(),
        status="pending",
        type=parameters.integer("loadbalancer_type", 0, high=LARGEST_TYPE),
        vxnet_id=vxnet.id,
        group_id=group_id,
        http_header_size=parameters.integer("http_header_size", 15, low=1, high=127),
        node_count=parameters.integer("node_count", 1, low=1),
        address=take_address(vxnet, balancer_id, parameters.text("private_ip")),
    )
    cloud.state.loadbalancers.add(balancer)

    async def come_up(balancer: LoadBalancer) -> None:
        balancer.applied = BalancerInForce(group_id=balancer.group_id)

    def abandon(balancer: LoadBalancer) -> None:
        give_back(vxnet, balancer.id)

    job_id = begin(cloud, "CreateLoadBalancer", [balancer], CREATE, come_up, abandon)
    return {"loadbalancer_id": balancer.id, "job_id": job_id}


def describe_loadbalancers(cloud: Cloud, parameters: Parameters) -> Document:
    verbose = parameters.flag("verbose")
    return describe(
        cloud,
        parameters,
        cloud.state.loadbalancers.values(),
        lambda balancer: document(cloud, balancer, verbose),
        "loadbalancer",
    )


def document(cloud: Cloud, balancer: LoadBalancer, verbose: bool) -> Document:
    shown = balancer.status not in ("pending", "deleted", "ceased")
    answer = common(cloud, balancer, "loadbalancer") | life(balancer)
    answer |= {
        "loadbalancer_type": balancer.type,
        "is_applied": int(balancer.is_applied),
        "vxnet_id": balancer.vxnet_id,
        "private_ips": [balancer.address] if shown else [],
        "eips": [],
        "cluster": [],
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


def modify_loadbalancer_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    """Change name or group; all but the name is inert until UpdateLoadBalancers."""
    balancer = cloud.state.loadbalancers.read(parameters.required_text("loadbalancer"))
    require_settled(balancer)
    if parameters.text("private_ip", balancer.address) != balancer.address:
        raise NotEmulated("another private address for a load balancer")
    group_id = parameters.text("security_group", balancer.group_id)
    header_size = parameters.integer("http_header_size", balancer.http_header_size, low=1, high=127)
    node_count = parameters.integer("node_count", balancer.node_count, low=1)
    if group_id:
        cloud.state.groups.read(group_id)
    rename(parameters, balancer, "loadbalancer")
    before = (balancer.group_id, balancer.http_header_size, balancer.node_count)
    if before != (group_id, header_size, node_count):
        balancer.is_applied = False
    balancer.group_id = group_id
    balancer.http_header_size, balancer.node_count = header_size, node_count
    return {"loadbalancer_id": balancer.id}


def update_loadbalancers(cloud: Cloud, parameters: Parameters) -> Document:
    """Put what is wanted of balancers in force."""
    balancers = cloud.state.loadbalancers.read_all(parameters.required_texts("loadbalancers"))

    async def update(balancer: LoadBalancer) -> None:
        balancer.applied = BalancerInForce(
            balancer.group_id,
            tuple(
                ListenerInForce(listener, tuple(listeners.backends_of(cloud, listener.id)))
                for listener in listeners.listeners_of(cloud, balancer.id)
            ),
        )
        cloud.balancers.refresh(balancer)
        balancer.is_applied = True

    return {"job_id": begin(cloud, "UpdateLoadBalancers", balancers, UPDATE, update)}


def delete_loadbalancers(cloud: Cloud, parameters: Parameters) -> Document:
    """Delete balancers with their listeners and backends."""
    balancers = cloud.state.loadbalancers.read_all(parameters.required_texts("loadbalancers"))

    async def delete(balancer: LoadBalancer) -> None:
        cloud.balancers.silence(balancer.id)
        for listener in listeners.listeners_of(cloud, balancer.id):
            listeners.forget(cloud, listener)
        if vxnet := cloud.state.vxnets.get(balancer.vxnet_id):
            give_back(vxnet, balancer.id)
        balancer.applied = BalancerInForce()
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

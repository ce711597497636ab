"""Steps of the private network, its firewalls, its public address and its load balancer."""

from domain.cloud import adopting, balancer, firewall, network
from domain.cloud.adopted import adopted_by
from domain.cloud.endpoints import Endpoints, planned_endpoints
from domain.cloud.records import Eip, Instance, LoadBalancer, SecurityGroup, Vpc, Vxnet
from domain.cloud.tags import ensure_tagged
from domain.kernel.ensured import Ensured
from domain.kernel.names import Names
from tasks.cluster import Cluster
from tasks.steps import step


@step("firewall of {cluster.name}")
def ensure_firewall(cluster: Cluster) -> Ensured[SecurityGroup]:
    """Create the firewall, and note on it what the cluster uses without having created it."""
    rules = firewall.firewall_rules(cluster.spec)
    name = Names(cluster.name).firewall
    done = firewall.ensure_security_group(cluster.cloud, name, rules, cluster.clock)
    if noted := adopting.ensure_noted(cluster.cloud, done.value, adopted_by(cluster.spec)):
        return Ensured(done.value, f"{done.did}; {noted}")
    return done


@step("machine rules of {cluster.name}")
def ensure_machine_group(cluster: Cluster) -> Ensured[SecurityGroup]:
    rules = firewall.machine_rules(cluster.spec)
    name = Names(cluster.name).machines
    group = firewall.ensure_security_group(cluster.cloud, name, rules, cluster.clock)
    applied = firewall.ensure_applied(cluster.cloud, group.value, cluster.clock)
    return Ensured(applied.value, group.did)


@step("router of {cluster.name}")
def ensure_vpc(cluster: Cluster, group: SecurityGroup) -> Ensured[Vpc]:
    if existing := cluster.spec.network.vpc:
        return adopting.use_vpc(cluster.cloud, existing)
    return network.ensure_vpc(cluster.cloud, cluster.spec, group.id, cluster.clock)


@step("open the firewall {group.name}")
def apply_firewall(cluster: Cluster, group: SecurityGroup, vpc: Vpc) -> Ensured[SecurityGroup]:
    """Apply the rules once the router uses the group; earlier they would have no effect.

    An adopted router keeps its own group, which gets the rules of the public ports.
    """
    applied = firewall.ensure_applied(cluster.cloud, group, cluster.clock)
    if not cluster.spec.network.vpc:
        return applied
    opened = adopting.open_router(cluster.cloud, cluster.spec, vpc, cluster.clock)
    return Ensured(applied.value, f"{applied.did}; {opened.did}")


@step("private network of {cluster.name}")
def ensure_vxnets(cluster: Cluster, vpc: Vpc) -> Ensured[tuple[Vxnet, ...]]:
    spec = cluster.spec
    if spec.network.vxnets:
        return adopting.use_vxnets(cluster.cloud, spec.network.vxnets)
    count = spec.vxnets_for(spec.wanted)
    return network.ensure_vxnets(cluster.cloud, spec, vpc, count, cluster.clock)


@step("public address of {cluster.name}")
def ensure_address(cluster: Cluster) -> Ensured[Eip]:
    wanted = cluster.spec.address
    if wanted.eip:
        return adopting.use_address(cluster.cloud, wanted.eip)
    return network.ensure_address(cluster.cloud, cluster.name, wanted, cluster.clock)


@step("public address on {vpc.name}")
def bind_address(cluster: Cluster, vpc: Vpc, vxnets: tuple[Vxnet, ...], eip: Eip) -> Ensured[Vpc]:
    """Bind after the vxnets have joined: a router accepts one change at a time."""
    return network.ensure_bound(cluster.cloud, vpc, eip, cluster.clock)


@step("load balancer of {cluster.name}")
def ensure_balancer(
    cluster: Cluster, vxnets: tuple[Vxnet, ...], group: SecurityGroup
) -> Ensured[LoadBalancer]:
    first = vxnets[0].id
    return balancer.ensure_balancer(cluster.cloud, cluster.name, first, group.id, cluster.clock)


@step("listeners of {cluster.name}")
def ensure_routes(
    cluster: Cluster, lb: LoadBalancer, masters: tuple[Instance, ...]
) -> Ensured[LoadBalancer]:
    routes = balancer.wanted_routes(cluster.name, cluster.spec.access)
    return balancer.ensure_routes(cluster.cloud, cluster.name, routes, masters, cluster.clock)


@step("published ports of {cluster.name}")
def publish_ports(
    cluster: Cluster, vpc: Vpc, lb: LoadBalancer, masters: tuple[Instance, ...]
) -> Ensured[Endpoints]:
    """Forward the public ports. Returns: the endpoints of the cluster from now on.

    Args:
        masters: those that run; SSH stays with the present one of them.
    """
    access, known = cluster.spec.access, cluster.cloud.known.list_port_forwards(vpc.id)
    targets = {one.spec.target for one in known if network.is_ssh(cluster.name, one.spec)}
    master = next((one for one in masters if one.private_ip in targets), masters[0])
    wanted = network.wanted_forwards(cluster.name, access, lb.private_ip, master.private_ip)
    done = network.ensure_forwards(cluster.cloud, cluster.name, vpc, wanted, cluster.clock)
    endpoints = planned_endpoints(access, vpc.eip_address, lb.private_ip, master.id)
    return Ensured(endpoints, done.did)


@step("tag {cluster.name}")
def tag_resources(cluster: Cluster) -> Ensured[str]:
    """Attach the cluster's tag to all its resources; their names alone are the identity."""
    names, seen = Names(cluster.name), cluster.inventory()
    return ensure_tagged(cluster.cloud, names, seen, cluster.clock)

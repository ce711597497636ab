"""Tasks of the private network, its firewalls, its public address and its load balancer."""

from blocks.accounts import QingCloudAccount
from domain.cloud import balancer, firewall, network
from domain.cloud.records import Eip, Instance, LoadBalancer, SecurityGroup, Vpc, Vxnet
from domain.kernel.ensured import Ensured
from domain.kernel.names import Names
from domain.spec.cluster import ClusterSpec
from tasks.steps import step


@step("firewall of {spec.name}")
def ensure_firewall(account: QingCloudAccount, spec: ClusterSpec) -> Ensured[SecurityGroup]:
    with account.client() as cloud:
        name, rules = Names(spec.name).firewall, firewall.firewall_rules(spec)
        return firewall.ensure_security_group(cloud, name, rules)


@step("machine rules of {spec.name}")
def ensure_machine_group(account: QingCloudAccount, spec: ClusterSpec) -> Ensured[SecurityGroup]:
    with account.client() as cloud:
        name, rules = Names(spec.name).machines, firewall.machine_rules(spec)
        group = firewall.ensure_security_group(cloud, name, rules)
        applied = firewall.ensure_applied(cloud, group.value)
        return Ensured(applied.value, group.did)


@step("router of {spec.name}")
def ensure_vpc(account: QingCloudAccount, spec: ClusterSpec, group: SecurityGroup) -> Ensured[Vpc]:
    with account.client() as cloud:
        return network.ensure_vpc(cloud, spec, group.id)


@step("open the firewall {group.name}")
def apply_firewall(
    account: QingCloudAccount, group: SecurityGroup, vpc: Vpc
) -> Ensured[SecurityGroup]:
    """Apply the rules once the router carries the group; before, there is nothing to load them."""
    with account.client() as cloud:
        return firewall.ensure_applied(cloud, group)


@step("private network of {spec.name}")
def ensure_vxnets(
    account: QingCloudAccount, spec: ClusterSpec, vpc: Vpc, machines: int
) -> Ensured[tuple[Vxnet, ...]]:
    with account.client() as cloud:
        return network.ensure_vxnets(cloud, spec, vpc, spec.vxnets_for(machines))


@step("public address of {spec.name}")
def ensure_address(account: QingCloudAccount, spec: ClusterSpec) -> Ensured[Eip]:
    with account.client() as cloud:
        return network.ensure_address(cloud, spec.name, spec.address)


@step("public address on {vpc.name}")
def bind_address(
    account: QingCloudAccount, vpc: Vpc, vxnets: tuple[Vxnet, ...], eip: Eip
) -> Ensured[Vpc]:
    """Bind after the vxnets have joined: a router takes one change at a time."""
    with account.client() as cloud:
        return network.ensure_bound(cloud, vpc, eip)


@step("load balancer of {spec.name}")
def ensure_balancer(
    account: QingCloudAccount, spec: ClusterSpec, vxnets: tuple[Vxnet, ...], group: SecurityGroup
) -> Ensured[LoadBalancer]:
    with account.client() as cloud:
        return balancer.ensure_balancer(cloud, spec.name, vxnets[0].id, group.id)


@step("listeners of {spec.name}")
def ensure_routes(
    account: QingCloudAccount,
    spec: ClusterSpec,
    lb: LoadBalancer,
    masters: tuple[Instance, ...],
) -> Ensured[LoadBalancer]:
    with account.client() as cloud:
        routes = balancer.wanted_routes(spec.name, spec.access)
        return balancer.ensure_routes(cloud, spec.name, routes, masters)


@step("published ports of {spec.name}")
def publish_ports(
    account: QingCloudAccount,
    spec: ClusterSpec,
    vpc: Vpc,
    lb: LoadBalancer,
    masters: tuple[Instance, ...],
) -> Ensured[str]:
    """Forward the public ports; the value is the public address."""
    with account.client() as cloud:
        wanted = network.wanted_forwards(
            spec.name, spec.access, lb.private_ip, masters[0].private_ip
        )
        done = network.ensure_forwards(cloud, vpc, wanted)
        return Ensured(cloud.read_vpc(vpc.id).eip_address, done.did)

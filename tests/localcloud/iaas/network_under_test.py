"""Factories with defaults for a VPC, machines and a balancer, all through the API."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.localcloud.iaas.cloud_under_test import IMAGE, CloudUnderTest, eventually

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEgxqVHbBbDwvnLJOcnBBOpeIOLV8Fcy6eQXKqQxZ0 me"


@dataclass(frozen=True)
class Network:
    """A VPC with a vxnet, an address that is in force, and a group for the router."""

    router: str
    vxnet: str
    eip: str
    address: str
    group: str


def make_group(cloud: CloudUnderTest, *ports: int, source: str = "", apply: bool = True) -> str:
    group = cloud.ok("CreateSecurityGroup", security_group_name="a group")["security_group_id"]
    if ports:
        open_ports(cloud, group, *ports, source=source)
    if apply:
        cloud.done("ApplySecurityGroup", security_group=group)
    return str(group)


def open_ports(cloud: CloudUnderTest, group: str, *ports: int, source: str = "") -> list[str]:
    rules = [{"protocol": "tcp", "priority": 1, "val1": port, "val3": source} for port in ports]
    added = cloud.ok("AddSecurityGroupRules", security_group=group, rules=rules)
    return list(added["security_group_rules"])


def make_vpc(cloud: CloudUnderTest, group: str = "") -> tuple[str, str]:
    """Create a router and a vxnet joined to it; return their ids."""
    (router,) = cloud.done(
        "CreateRouters", vpc_network="192.168.0.0/16", security_group=group, router_name="r"
    )["routers"]
    (vxnet,) = cloud.ok("CreateVxnets", vxnet_type=1, vxnet_name="v")["vxnets"]
    cloud.done("JoinRouter", router=router, vxnet=vxnet, ip_network="192.168.1.0/24")
    return router, vxnet


def make_eip(cloud: CloudUnderTest) -> str:
    (eip,) = cloud.ok("AllocateEips", bandwidth=4, eip_name="e")["eips"]
    eventually(lambda: cloud.one("eip", eip)["status"] == "available")
    return str(eip)


def make_network(cloud: CloudUnderTest, *ports: int, source: str = "") -> Network:
    group = make_group(cloud, *ports, source=source)
    router, vxnet = make_vpc(cloud, group)
    eip = make_eip(cloud)
    cloud.ok("ModifyRouterAttributes", router=router, eip=eip)
    cloud.done("UpdateRouters", routers=[router])
    return Network(router, vxnet, eip, cloud.one("eip", eip)["eip_addr"], group)


def make_keypair(cloud: CloudUnderTest) -> str:
    answer = cloud.ok("CreateKeyPair", keypair_name="k", mode="user", public_key=PUBLIC_KEY)
    return str(answer["keypair_id"])


def machine_request(keypair: str, **changes: Any) -> dict[str, Any]:
    """Return the parameters of a RunInstances that a fresh cloud accepts."""
    return {
        "image_id": IMAGE,
        "instance_type": "s1.small.r2",
        "login_mode": "keypair",
        "login_keypair": keypair,
        "instance_name": "m",
    } | changes


def run_machines(cloud: CloudUnderTest, vxnet: str, count: int = 1, **changes: Any) -> list[str]:
    """Run machines, and wait until they have addresses and answer."""
    keypair = changes.pop("login_keypair", None) or make_keypair(cloud)
    request = machine_request(keypair, vxnets=[vxnet], count=count, **changes)
    ids = cloud.done("RunInstances", **request)["instances"]
    for instance_id in ids:
        eventually(partial(private_ip, cloud, instance_id))
        eventually(partial(cloud.machines.is_running, instance_id))
    return list(ids)


def private_ip(cloud: CloudUnderTest, instance_id: str) -> str:
    return str(cloud.one("instance", instance_id)["vxnets"][0]["private_ip"])


def forward(cloud: CloudUnderTest, network: Network, port: int, target: str, to: int) -> str:
    """Store a port forward; it is not in force yet."""
    static = {"static_type": 1, "val1": port, "val2": target, "val3": to}
    answer = cloud.ok("AddRouterStatics", router=network.router, statics=[static])
    return str(answer["router_statics"][0])


def make_balancer(cloud: CloudUnderTest, vxnet: str, group: str = "") -> str:
    answer = cloud.done("CreateLoadBalancer", vxnet=vxnet, security_group=group)
    return str(answer["loadbalancer_id"])


def listen(cloud: CloudUnderTest, balancer: str, port: int, machines: list[str]) -> str:
    """Store a listener with backends on port 6443 of machines; it is not in force yet."""
    listener = {"listener_port": port, "listener_protocol": "tcp", "backend_protocol": "tcp"}
    (listener_id,) = cloud.ok(
        "AddLoadBalancerListeners", loadbalancer=balancer, listeners=[listener]
    )["loadbalancer_listeners"]
    backends = [{"resource_id": machine, "port": 6443} for machine in machines]
    if backends:
        cloud.ok("AddLoadBalancerBackends", loadbalancer_listener=listener_id, backends=backends)
    return str(listener_id)

"""Changes are inert until they are applied; then they decide who gets through."""

import socket
from typing import Any

import pytest

from tests.localcloud.iaas.cloud_under_test import (
    CloudUnderTest,
    eventually,
    read_port,
    serve_cloud,
)
from tests.localcloud.iaas.network_under_test import (
    Network,
    forward,
    listen,
    make_balancer,
    make_eip,
    make_group,
    make_network,
    make_vpc,
    open_ports,
    private_ip,
    run_machines,
)


def is_open(address: str, port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((address, port)) == 0


def publish_machine(cloud: CloudUnderTest, network: Network, port: int, **changes: Any) -> str:
    """Run a machine whose port 22 is published; return its id."""
    (machine,) = run_machines(cloud, network.vxnet, **changes)
    forward(cloud, network, port, private_ip(cloud, machine), 22)
    cloud.done("UpdateRouters", routers=[network.router])
    return machine


def test_forward_answers_only_after_the_router_is_updated(cloud: CloudUnderTest) -> None:
    network = make_network(cloud, 10022)
    (machine,) = run_machines(cloud, network.vxnet)
    forward(cloud, network, 10022, private_ip(cloud, machine), 22)
    assert not is_open(network.address, 10022)
    assert cloud.one("router", network.router)["is_applied"] == 0
    cloud.done("UpdateRouters", routers=[network.router])
    assert cloud.one("router", network.router)["is_applied"] == 1
    assert read_port(network.address, 10022) == machine.encode()
    assert cloud.machines.peers == ["127.0.0.1"]  # as behind a real forward


def test_deleted_forward_answers_until_the_router_is_updated(cloud: CloudUnderTest) -> None:
    network = make_network(cloud, 10022)
    machine = publish_machine(cloud, network, 10022)
    (static,) = cloud.ok("DescribeRouterStatics", router=network.router)["router_static_set"]
    assert (static["static_type"], static["val1"]) == (1, "10022")
    cloud.ok("DeleteRouterStatics", router_statics=[static["router_static_id"]])
    assert read_port(network.address, 10022) == machine.encode()
    cloud.done("UpdateRouters", routers=[network.router])
    assert not is_open(network.address, 10022)


def test_address_stays_unbound_until_the_router_is_updated(cloud: CloudUnderTest) -> None:
    router, _ = make_vpc(cloud)
    eip = make_eip(cloud)
    cloud.ok("ModifyRouterAttributes", router=router, eip=eip)
    assert cloud.one("eip", eip)["status"] == "available"
    cloud.done("UpdateRouters", routers=[router])
    seen = cloud.one("eip", eip)
    assert (seen["status"], seen["resource"]["resource_id"]) == ("associated", router)
    cloud.ok("ModifyRouterAttributes", router=router, eip="")
    cloud.done("UpdateRouters", routers=[router])
    assert cloud.one("eip", eip)["status"] == "available"


def test_public_port_opens_with_the_rules_of_the_router_s_group(cloud: CloudUnderTest) -> None:
    network = make_network(cloud)
    machine = publish_machine(cloud, network, 10022)
    assert not is_open(network.address, 10022)
    open_ports(cloud, network.group, 10022)
    assert not is_open(network.address, 10022)
    assert cloud.one("security_group", network.group)["is_applied"] == 0
    cloud.done("ApplySecurityGroup", security_group=network.group)
    assert cloud.one("security_group", network.group)["is_applied"] == 1
    assert read_port(network.address, 10022) == machine.encode()


def test_rules_and_forwards_may_come_into_force_at_the_same_moment(cloud: CloudUnderTest) -> None:
    network = make_network(cloud)
    (machine,) = run_machines(cloud, network.vxnet)
    forward(cloud, network, 10022, private_ip(cloud, machine), 22)
    open_ports(cloud, network.group, 10022)
    answers = [
        cloud.ok("UpdateRouters", routers=[network.router]),
        cloud.ok("ApplySecurityGroup", security_group=network.group),
    ]
    assert {cloud.job(answer)["status"] for answer in answers} == {"successful"}
    assert read_port(network.address, 10022) == machine.encode()


def test_client_outside_the_network_of_a_rule_gets_nothing(cloud: CloudUnderTest) -> None:
    network = make_network(cloud, 10022, source="127.0.0.2/32")
    machine = publish_machine(cloud, network, 10022)
    assert read_port(network.address, 10022, source="127.0.0.2") == machine.encode()
    assert read_port(network.address, 10022) == b""


def test_group_of_the_machine_decides_too(cloud: CloudUnderTest) -> None:
    network = make_network(cloud, 10022)
    group = make_group(cloud, 22, source="192.168.0.0/16")
    machine = publish_machine(cloud, network, 10022, security_group=group)
    assert read_port(network.address, 10022) == b""
    open_ports(cloud, group, 22, source="127.0.0.1/32")
    cloud.done("ApplySecurityGroup", security_group=group)
    assert read_port(network.address, 10022) == machine.encode()


def test_rule_of_higher_priority_wins(cloud: CloudUnderTest) -> None:
    network = make_network(cloud, 10022)
    publish_machine(cloud, network, 10022)
    drop = {"protocol": "tcp", "priority": 0, "action": "drop", "val1": 10000, "val2": 11000}
    cloud.ok("AddSecurityGroupRules", security_group=network.group, rules=[drop])
    cloud.done("ApplySecurityGroup", security_group=network.group)
    assert read_port(network.address, 10022) == b""


def test_balancer_answers_after_its_update_and_in_turn(cloud: CloudUnderTest) -> None:
    network = make_network(cloud, 8080)
    machines = run_machines(cloud, network.vxnet, count=2)
    balancer = make_balancer(cloud, network.vxnet)
    (address,) = cloud.one("loadbalancer", balancer)["private_ips"]
    forward(cloud, network, 8080, address, 8080)
    cloud.done("UpdateRouters", routers=[network.router])
    listen(cloud, balancer, 8080, machines)
    assert cloud.one("loadbalancer", balancer)["is_applied"] == 0
    assert read_port(network.address, 8080) == b""
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    assert cloud.one("loadbalancer", balancer)["is_applied"] == 1
    assert {read_port(network.address, 8080) for _ in range(4)} == {m.encode() for m in machines}
    assert set(cloud.machines.peers) == {address}  # the source is the balancer itself


def test_balancer_passes_over_a_machine_that_does_not_answer(cloud: CloudUnderTest) -> None:
    network = make_network(cloud, 8080)
    machines = run_machines(cloud, network.vxnet, count=2)
    balancer = make_balancer(cloud, network.vxnet)
    forward(cloud, network, 8080, cloud.one("loadbalancer", balancer)["private_ips"][0], 8080)
    listener = listen(cloud, balancer, 8080, machines)
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    cloud.done("UpdateRouters", routers=[network.router])
    cloud.done("StopInstances", instances=[machines[0]])
    # Until the checks have failed it gets its turns, and its connections fail.
    eventually(lambda: health_of(cloud, listener) == {machines[0]: "down", machines[1]: "up"})
    assert {read_port(network.address, 8080) for _ in range(3)} == {machines[1].encode()}


def health_of(cloud: CloudUnderTest, listener: str) -> dict[str, str]:
    backends = cloud.ok("DescribeLoadBalancerBackends", loadbalancer_listener=listener)
    return {b["resource_id"]: b["status"] for b in backends["loadbalancer_backend_set"]}


def test_group_of_the_balancer_decides_who_reaches_it(cloud: CloudUnderTest) -> None:
    network = make_network(cloud, 8080)
    (machine,) = run_machines(cloud, network.vxnet)
    closed = make_group(cloud)
    balancer = make_balancer(cloud, network.vxnet, closed)
    forward(cloud, network, 8080, cloud.one("loadbalancer", balancer)["private_ips"][0], 8080)
    listen(cloud, balancer, 8080, [machine])
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    cloud.done("UpdateRouters", routers=[network.router])
    assert read_port(network.address, 8080) == b""
    cloud.ok("ModifyLoadBalancerAttributes", loadbalancer=balancer, security_group=network.group)
    assert read_port(network.address, 8080) == b""
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    assert read_port(network.address, 8080) == machine.encode()


def test_taken_public_port_fails_the_job_in_plain_words(cloud: CloudUnderTest) -> None:
    network = make_network(cloud)
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        open_ports(cloud, network.group, port, 10022)
        cloud.done("ApplySecurityGroup", security_group=network.group)
        machine = publish_machine(cloud, network, 10022)
        forward(cloud, network, port, "192.168.1.9", 80)
        job = cloud.job(cloud.ok("UpdateRouters", routers=[network.router]))
        assert job["status"] == "failed"
        assert f"port {port} is taken" in job["error_codes"]
        seen = cloud.one("router", network.router)
        assert (seen["is_applied"], seen["transition_status"]) == (0, "")
        assert read_port(network.address, 10022) == machine.encode()
    cloud.done("UpdateRouters", routers=[network.router])
    assert is_open(network.address, port)


def test_dissociated_address_goes_silent_at_once(cloud: CloudUnderTest) -> None:
    network = make_network(cloud, 10022)
    publish_machine(cloud, network, 10022)
    cloud.done("DissociateEips", eips=[network.eip])
    assert not is_open(network.address, 10022)
    assert cloud.one("router", network.router)["eip"]["eip_id"] == ""
    cloud.done("ReleaseEips", eips=[network.eip])
    assert cloud.one("eip", network.eip)["status"] == "released"


def test_two_clouds_never_share_an_address(cloud: CloudUnderTest) -> None:
    with serve_cloud() as other:
        first, second = make_eip(cloud), make_eip(other)
        assert cloud.one("eip", first)["eip_addr"] != other.one("eip", second)["eip_addr"]


@pytest.mark.parametrize("port", [22, 6443])
def test_machine_of_another_vpc_is_unreachable(cloud: CloudUnderTest, port: int) -> None:
    network = make_network(cloud, 10022)
    other_router, other_vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, other_vxnet)
    forward(cloud, network, 10022, private_ip(cloud, machine), port)
    cloud.done("UpdateRouters", routers=[network.router])
    assert read_port(network.address, 10022) == b""
    assert other_router != network.router

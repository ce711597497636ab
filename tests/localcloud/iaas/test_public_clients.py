"""Behaviour that public clients rely on, by the acceptance tests of the terraform provider."""

import socket
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import pytest

from localcloud.iaas.actions.volumes import RESIZE
from localcloud.profiles import PROFILES
from tests.localcloud.iaas.cloud_under_test import (
    CloudUnderTest,
    HeldClock,
    eventually,
    read_port,
    serve_cloud,
)
from tests.localcloud.iaas.network_under_test import (
    forward,
    listen,
    machine_request,
    make_balancer,
    make_eip,
    make_group,
    make_keypair,
    make_network,
    make_vpc,
    private_ip,
    run_machines,
)


def test_limit_of_zero_is_the_default_limit(cloud: CloudUnderTest) -> None:
    tag = cloud.ok("CreateTag", tag_name="demo")["tag_id"]
    found = cloud.ok("DescribeTags", tags=[tag], limit=0, offset=0)
    assert [one["tag_id"] for one in found["tag_set"]] == [tag]


@pytest.mark.parametrize(("kinds", "ret_code"), [([], 1100), (["long-tags"], 0)])
def test_tag_has_a_long_name_only_where_that_is_asked(
    cloud: CloudUnderTest, kinds: list[str], ret_code: int
) -> None:
    for kind in kinds:
        cloud.fault(kind)
    assert cloud.call("CreateTag", tag_name="a-name-of-twenty-chars")["ret_code"] == ret_code


def test_machine_is_made_from_an_image_of_the_public_examples(cloud: CloudUnderTest) -> None:
    request = machine_request(make_keypair(cloud), image_id="centos7x64d")
    (machine,) = cloud.done("RunInstances", **request)["instances"]
    assert cloud.one("instance", machine)["image"]["os_family"] == "centos"


def test_machine_has_a_password_only_where_that_is_asked(cloud: CloudUnderTest) -> None:
    login = {"login_mode": "passwd", "login_passwd": "Secret88word"}
    request = machine_request("") | login
    assert "a password" in cloud.call("RunInstances", **request)["message"]
    cloud.fault("takes-passwords")
    (machine,) = cloud.done("RunInstances", **request)["instances"]
    cloud.done("ResetInstances", instances=[machine], **login)
    keypair = make_keypair(cloud)
    cloud.done("AttachKeyPairs", keypairs=[keypair], instances=[machine])
    assert cloud.one("instance", machine)["keypair_ids"] == [keypair]
    del request["login_passwd"]
    assert "login_passwd" in cloud.call("RunInstances", **request)["message"]


@pytest.mark.parametrize("name", PROFILES)
def test_volume_has_grown_before_terraform_looks(name: str) -> None:
    volume_grows = attrgetter(RESIZE.duration)(PROFILES[name])
    assert volume_grows < 5  # seconds until its first look; it expects no transition of this kind


def test_port_zero_of_a_rule_opens_no_port_and_a_range_from_it_opens_all(
    cloud: CloudUnderTest,
) -> None:
    group = make_group(cloud)
    rule = {"protocol": "tcp", "priority": 0, "val1": 0, "val2": 0}
    (rule_id,) = cloud.ok("AddSecurityGroupRules", security_group=group, rules=[rule])[
        "security_group_rules"
    ]
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    eip = make_eip(cloud)
    cloud.done("AssociateEip", eip=eip, instance=machine)
    cloud.done("ApplySecurityGroup", security_group=group, instances=[machine])
    address = cloud.one("eip", eip)["eip_addr"]
    with pytest.raises(ConnectionRefusedError):
        read_port(address, 22)
    cloud.ok("ModifySecurityGroupRuleAttributes", security_group_rule=rule_id, val2=23)
    cloud.done("ApplySecurityGroup", security_group=group)
    assert read_port(address, 22) == machine.encode()


def test_udp_forward_is_stored_without_effect(cloud: CloudUnderTest) -> None:
    network = make_network(cloud, 6443)
    (machine,) = run_machines(cloud, network.vxnet)
    static = forward(cloud, network, 6443, private_ip(cloud, machine), 6443)
    cloud.ok("ModifyRouterStaticAttributes", router_static=static, val4="udp")
    cloud.done("UpdateRouters", routers=[network.router])
    (seen,) = cloud.ok("DescribeRouterStatics", router_statics=[static])["router_static_set"]
    assert seen["val4"] == "udp"
    with pytest.raises(ConnectionRefusedError):
        read_port(network.address, 6443)


def balancer_at_work(cloud: CloudUnderTest) -> tuple[str, str, bytes]:
    """Return a balancer, its public address, and what a client of port 8080 reads there."""
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    balancer, eip = make_balancer(cloud, vxnet), make_eip(cloud)
    cloud.done("AssociateEipsToLoadBalancer", loadbalancer=balancer, eips=[eip])
    listen(cloud, balancer, 8080, [machine])
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    return balancer, str(cloud.one("eip", eip)["eip_addr"]), machine.encode()


def want_address(cloud: CloudUnderTest, balancer: str, address: str) -> None:
    cloud.ok("ModifyLoadBalancerAttributes", loadbalancer=balancer, private_ip=address)


def test_balancer_moves_to_another_address_with_its_update(cloud: CloudUnderTest) -> None:
    balancer, public, machine = balancer_at_work(cloud)
    seen = cloud.one("loadbalancer", balancer)
    (before,), vxnet = seen["private_ips"], seen["vxnet_id"]
    for wanted in ("192.168.1.77", "192.168.1.78"):
        want_address(cloud, balancer, wanted)
    seen = cloud.one("loadbalancer", balancer)
    assert (seen["private_ips"], seen["is_applied"]) == ([before], 0)
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    assert cloud.one("loadbalancer", balancer)["private_ips"] == ["192.168.1.78"]
    assert read_port(public, 8080) == machine
    router = cloud.one("vxnet", vxnet)["vpc_router_id"]
    assert not cloud.fabric.answers(router, "192.168.1.2", before, 8080)
    cloud.done("CreateLoadBalancer", vxnet=vxnet, private_ip=before)
    cloud.done("CreateLoadBalancer", vxnet=vxnet, private_ip="192.168.1.77")
    taken = cloud.call("ModifyLoadBalancerAttributes", loadbalancer=balancer, private_ip=before)
    assert "already used" in taken["message"]


def test_balancer_that_keeps_its_address_releases_the_reserved_one(
    cloud: CloudUnderTest,
) -> None:
    balancer, public, machine = balancer_at_work(cloud)
    seen = cloud.one("loadbalancer", balancer)
    want_address(cloud, balancer, "192.168.1.77")
    want_address(cloud, balancer, *seen["private_ips"])
    cloud.done("CreateLoadBalancer", vxnet=seen["vxnet_id"], private_ip="192.168.1.77")
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    assert cloud.one("loadbalancer", balancer)["private_ips"] == seen["private_ips"]
    assert read_port(public, 8080) == machine


def test_balancer_whose_update_fails_moves_with_the_next_one(cloud: CloudUnderTest) -> None:
    balancer, public, machine = balancer_at_work(cloud)
    (before,) = cloud.one("loadbalancer", balancer)["private_ips"]
    want_address(cloud, balancer, "192.168.1.77")
    with socket.create_server((public, 0)) as other:
        listen(cloud, balancer, other.getsockname()[1], [])
        job = cloud.job(cloud.ok("UpdateLoadBalancers", loadbalancers=[balancer]))
        assert job["status"] == "failed"
        assert cloud.one("loadbalancer", balancer)["private_ips"] == [before]
        assert read_port(public, 8080) == machine
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    assert cloud.one("loadbalancer", balancer)["private_ips"] == ["192.168.1.77"]
    assert read_port(public, 8080) == machine


def test_reserved_address_of_a_balancer_stays_reserved_in_the_next_process(
    tmp_path: Path,
) -> None:
    with serve_cloud(file=tmp_path / "cloud.db") as cloud:
        balancer, public, machine = balancer_at_work(cloud)
        want_address(cloud, balancer, "192.168.1.77")
    with serve_cloud(file=tmp_path / "cloud.db") as cloud:
        vxnet = cloud.one("loadbalancer", balancer)["vxnet_id"]
        taken = cloud.call("CreateLoadBalancer", vxnet=vxnet, private_ip="192.168.1.77")
        assert "already used" in taken["message"]
        cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
        assert cloud.one("loadbalancer", balancer)["private_ips"] == ["192.168.1.77"]
        eventually(lambda: read_port(public, 8080) == machine)


def test_key_may_be_detached_from_a_machine_that_is_being_terminated() -> None:
    clock = HeldClock()
    profile = replace(PROFILES["instant"], change_instance=HeldClock.LONG)
    with serve_cloud(profile, clock=clock) as cloud:
        keypair = make_keypair(cloud)
        (machine,) = cloud.done("RunInstances", **machine_request(keypair))["instances"]
        cloud.ok("TerminateInstances", instances=[machine])
        body = {"keypairs": [keypair], "instances": [machine]}
        assert "try later" in cloud.call("AttachKeyPairs", **body)["message"]
        cloud.done("DetachKeyPairs", **body)
        assert cloud.one("keypair", keypair)["instance_ids"] == []
        clock.is_over = True

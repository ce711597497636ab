"""Refusals, their messages, and that a refusal changes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from localcloud.profiles import PROFILES
from tests.localcloud.iaas.cloud_under_test import IMAGE, CloudUnderTest, serve_cloud
from tests.localcloud.iaas.network_under_test import (
    PUBLIC_KEY,
    Network,
    forward,
    listen,
    machine_request,
    make_balancer,
    make_eip,
    make_group,
    make_keypair,
    make_network,
    run_machines,
)


@dataclass(frozen=True)
class Town:
    """A cloud in which all resources are in use."""

    cloud: CloudUnderTest
    network: Network
    keypair: str
    machine: str
    balancer: str
    listener: str
    spare_vxnet: str
    spare_router: str
    spare_eip: str


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with serve_cloud() as cloud:
        network = make_network(cloud, 8080)
        keypair = make_keypair(cloud)
        (machine,) = run_machines(cloud, network.vxnet, login_keypair=keypair)
        balancer = make_balancer(cloud, network.vxnet)
        listener = listen(cloud, balancer, 8080, [machine])
        forward(cloud, network, 8080, "192.168.1.3", 8080)
        cloud.ok("CreateTag", tag_name="taken")
        spare = cloud.ok("CreateVxnets", vxnet_type=0)["vxnets"][0]
        router = cloud.done("CreateRouters", vpc_network="172.16.0.0/16")["routers"][0]
        eip = make_eip(cloud)
        yield Town(cloud, network, keypair, machine, balancer, listener, spare, router, eip)


Body = Callable[[Town], dict[str, Any]]


def row(action: str, ret_code: int, words: str, body: Body, row_id: str) -> Any:
    return pytest.param(action, ret_code, words, body, id=f"{action}: {row_id}")


def rule(**changes: Any) -> Body:
    item = {"protocol": "tcp", "priority": 1, "val1": 22} | changes
    return lambda town: {"security_group": town.network.group, "rules": [item]}


def static(**changes: Any) -> Body:
    item = {"static_type": 1, "val1": 9000, "val2": "192.168.1.2", "val3": 22} | changes
    return lambda town: {"router": town.network.router, "statics": [item]}


def lb_listener(**changes: Any) -> Body:
    item = {"listener_port": 9000, "listener_protocol": "tcp", "backend_protocol": "tcp"} | changes
    return lambda town: {"loadbalancer": town.balancer, "listeners": [item]}


def machine(**changes: Any) -> Body:
    return lambda town: machine_request(town.keypair, vxnets=[town.network.vxnet]) | changes


def join(**changes: Any) -> Body:
    def body(town: Town) -> dict[str, Any]:
        (vxnet,) = town.cloud.ok("CreateVxnets", vxnet_type=1)["vxnets"]
        router = town.network.router
        return {"router": router, "vxnet": vxnet, "ip_network": "192.168.2.0/24"} | changes

    return body


REFUSALS = [
    row("CreateRouters", 1100, "[vpc_network]", lambda t: {}, "no network"),
    row("CreateRouters", 1100, "[vpc_network]", lambda t: {"vpc_network": "10.0.0.0/8"}, "a /8"),
    row(
        "CreateRouters",
        2100,
        "[sg-none]",
        lambda t: {"vpc_network": "192.168.0.0/16", "security_group": "sg-none"},
        "unknown group",
    ),
    row("JoinRouter", 1100, "[ip_network]", join(ip_network="nonsense"), "no network"),
    row("JoinRouter", 1100, "should be a /24", join(ip_network="192.168.0.0/20"), "not a /24"),
    row("JoinRouter", 1400, "outside of", join(ip_network="172.16.1.0/24"), "outside"),
    row("JoinRouter", 1400, "already used", join(ip_network="192.168.1.0/24"), "used"),
    row("JoinRouter", 1100, "[features]", join(features=2), "no DHCP"),
    row("JoinRouter", 2100, "[rtr-none]", join(router="rtr-none"), "unknown router"),
    row(
        "JoinRouter",
        1400,
        "already joined",
        lambda t: join(vxnet=t.network.vxnet)(t),
        "joined already",
    ),
    row("JoinRouter", 1400, "not managed", lambda t: join(vxnet=t.spare_vxnet)(t), "self-managed"),
    row(
        "LeaveRouter",
        1400,
        "is used by instance",
        lambda t: {"router": t.network.router, "vxnets": [t.network.vxnet]},
        "inhabited",
    ),
    row(
        "LeaveRouter",
        1400,
        "has not joined",
        lambda t: {"router": t.spare_router, "vxnets": [t.network.vxnet]},
        "of another router",
    ),
    row("DeleteVxnets", 1400, "is used by", lambda t: {"vxnets": [t.network.vxnet]}, "in use"),
    row("DeleteVxnets", 1400, "belongs to", lambda t: {"vxnets": ["vxnet-0"]}, "built in"),
    row("DeleteRouters", 1400, "is joined by", lambda t: {"routers": [t.network.router]}, "in use"),
    row(
        "ModifyRouterAttributes",
        1400,
        "is not available",
        lambda t: {"router": t.spare_router, "eip": t.network.eip},
        "address of another",
    ),
    row("ReleaseEips", 1400, "is not available", lambda t: {"eips": [t.network.eip]}, "in use"),
    row("DissociateEips", 1400, "is not associated", lambda t: {"eips": [t.spare_eip]}, "free"),
    row("AllocateEips", 1100, "[bandwidth]", lambda t: {}, "no bandwidth"),
    row(
        "AllocateEips",
        1100,
        "[billing_mode]",
        lambda t: {"bandwidth": 1, "billing_mode": "gold"},
        "odd billing",
    ),
    row(
        "DeleteSecurityGroups",
        1400,
        "is used by router",
        lambda t: {"security_groups": [t.network.group]},
        "in use",
    ),
    row("AddSecurityGroupRules", 1100, "[rules.1.protocol]", rule(protocol="tpc"), "odd protocol"),
    row("AddSecurityGroupRules", 1100, "[rules.1.priority]", rule(priority=101), "odd priority"),
    row("AddSecurityGroupRules", 1100, "not a port", rule(val1="ssh"), "odd port"),
    row("AddSecurityGroupRules", 1100, "wrong way", rule(val1=9, val2=8), "ports reversed"),
    row("AddSecurityGroupRules", 1100, "not a network", rule(val3="home"), "odd source"),
    row("AddRouterStatics", 1400, "already forwarded", static(val1=8080), "port taken"),
    row("AddRouterStatics", 1100, "[val1]", static(val1=0), "odd port"),
    row("AddRouterStatics", 1100, "[val2]", static(val2="master"), "odd target"),
    row("AddRouterStatics", 1400, "does not emulate", static(static_type=2), "a VPN"),
    row("AddLoadBalancerListeners", 1400, "already", lb_listener(listener_port=8080), "taken"),
    row("AddLoadBalancerListeners", 1100, "[22]", lb_listener(listener_port=22), "port 22"),
    row("AddLoadBalancerListeners", 1100, "[listeners.1.timeout]", lb_listener(timeout=9), "hasty"),
    row(
        "AddLoadBalancerListeners",
        1100,
        "healthy_check_option",
        lb_listener(healthy_check_option="1|5|2|5"),
        "checked too often",
    ),
    row(
        "AddLoadBalancerListeners",
        1100,
        "[udp] should be tcp, http",
        lb_listener(healthy_check_method="udp"),
        "checked by udp",
    ),
    row(
        "AddLoadBalancerBackends",
        1400,
        "already a backend",
        lambda t: {
            "loadbalancer_listener": t.listener,
            "backends": [{"resource_id": t.machine, "port": 6443}],
        },
        "twice",
    ),
    row(
        "AddLoadBalancerBackends",
        2100,
        "[i-none]",
        lambda t: {
            "loadbalancer_listener": t.listener,
            "backends": [{"resource_id": "i-none", "port": 6443}],
        },
        "unknown machine",
    ),
    row(
        "CreateLoadBalancer",
        1400,
        "has not joined a router",
        lambda t: {"vxnet": t.spare_vxnet},
        "outside a VPC",
    ),
    row(
        "CreateLoadBalancer",
        1400,
        "is not available, can not be associated to loadbalancer",
        lambda t: {"vxnet": "vxnet-0", "eips": [t.network.eip]},
        "an address in use",
    ),
    row("RunInstances", 2100, "[win]", machine(image_id="win"), "unknown image"),
    row("RunInstances", 1100, "[huge]", machine(instance_type="huge"), "unknown type"),
    row("RunInstances", 1400, "deprecated", machine(instance_type="small_b"), "old type"),
    row("RunInstances", 1100, "[login_mode]", machine(login_mode=""), "no login"),
    row("RunInstances", 2100, "[kp-none]", machine(login_keypair="kp-none"), "unknown key"),
    row("RunInstances", 2100, "[vxnet-no]", machine(vxnets=["vxnet-no"]), "unknown network"),
    row("RunInstances", 1100, "[os_disk_size]", machine(os_disk_size=10), "small disk"),
    row("RunInstances", 1100, "[count]", machine(count=0), "no machine"),
    row(
        "RunInstances",
        2100,
        "[uda-none]",
        machine(need_userdata=1, userdata_type="tar", userdata_value="uda-none"),
        "unknown userdata",
    ),
    row(
        "RunInstances",
        1400,
        "already used",
        lambda t: machine(vxnets=[f"{t.network.vxnet}|192.168.1.2"])(t),
        "address taken",
    ),
    row(
        "StartInstances",
        1400,
        "is not stopped, can not be started",
        lambda t: {"instances": [t.machine]},
        "running",
    ),
    row("CeaseInstances", 1400, "is not terminated", lambda t: {"instances": [t.machine]}, "alive"),
    row("TerminateInstances", 1100, "[instances]", lambda t: {}, "none named"),
    row("StopInstances", 2100, "[i-none]", lambda t: {"instances": ["i-none"]}, "unknown"),
    row("DeleteKeyPairs", 1400, "is attached", lambda t: {"keypairs": [t.keypair]}, "in use"),
    row(
        "CreateKeyPair",
        1100,
        "public_key",
        lambda t: {"mode": "user", "public_key": "ssh-rsa AAAA"},
        "no key",
    ),
    row(
        "CreateKeyPair",
        1100,
        "[ssh-rsa]",
        lambda t: {"mode": "user", "public_key": PUBLIC_KEY.replace("ssh-ed25519", "ssh-rsa")},
        "key of another type",
    ),
    row("CreateTag", 1100, "shorter than 15", lambda t: {"tag_name": "x" * 15}, "long name"),
    row("CreateTag", 2110, "[taken]", lambda t: {"tag_name": "taken"}, "name taken"),
    row(
        "UploadUserDataAttachment",
        1100,
        "base64",
        lambda t: {"attachment_content": "?"},
        "not base64",
    ),
    row("GetQuotaLeft", 1100, "[moon]", lambda t: {"resource_types": ["moon"]}, "unknown kind"),
]


@pytest.mark.parametrize(("action", "ret_code", "words", "body"), REFUSALS)
def test_refuses(town: Town, action: str, ret_code: int, words: str, body: Body) -> None:
    parameters = body(town)
    before = town.cloud.iaas.count_resources()
    answer = town.cloud.call(action, **parameters)
    assert (answer["ret_code"], words in answer["message"]) == (ret_code, True), answer
    assert town.cloud.iaas.count_resources() == before


def test_stopping_a_stopped_machine_is_refused_in_the_words_of_the_documents(town: Town) -> None:
    (machine_id,) = run_machines(town.cloud, town.network.vxnet, login_keypair=town.keypair)
    town.cloud.done("StopInstances", instances=[machine_id])
    answer = town.cloud.call("StopInstances", instances=[machine_id])
    assert answer["ret_code"] == 1400
    assert answer["message"] == (
        f"PermissionDenied, instance [{machine_id}] is not running, can not be stopped"
    )


def test_default_group_cannot_be_deleted(cloud: CloudUnderTest) -> None:
    (group,) = cloud.ok("DescribeSecurityGroups")["security_group_set"]
    assert group["is_default"] == 1
    answer = cloud.call("DeleteSecurityGroups", security_groups=[group["security_group_id"]])
    assert answer["ret_code"] == 1400


def test_resource_in_transition_is_refused_with_try_later() -> None:
    slow = replace(PROFILES["instant"], create_router=60.0)
    with serve_cloud(slow) as cloud:
        (router,) = cloud.ok("CreateRouters", vpc_network="192.168.0.0/16")["routers"]
        seen = cloud.one("router", router)
        assert (seen["status"], seen["transition_status"]) == ("pending", "creating")
        for action, body in (
            ("UpdateRouters", {"routers": [router]}),
            ("DeleteRouters", {"routers": [router]}),
            ("ModifyRouterAttributes", {"router": router, "router_name": "x"}),
        ):
            answer = cloud.call(action, **body)
            assert answer["ret_code"] == 1400
            assert answer["message"] == (
                f"PermissionDenied, resource [{router}] is [creating], please try later"
            )


def test_fresh_resources_cannot_be_deleted_before_their_lease_is_ready() -> None:
    slow = replace(PROFILES["instant"], lease=60.0)
    with serve_cloud(slow) as cloud:
        eip = make_eip(cloud)
        answer = cloud.call("ReleaseEips", eips=[eip])
        assert answer["ret_code"] == 1400
        assert answer["message"] == (
            f"PermissionDenied, resource [{eip}] lease info not ready yet, please try later"
        )
        assert cloud.ok("GetLeaseInfo", resource=eip)["lease_info"]["status"] == "pending"


def test_quota_is_checked_before_anything_is_created() -> None:
    with serve_cloud(quotas={"cpu": 3}) as cloud:
        group = make_group(cloud)
        assert cloud.ok("GetQuotaLeft", resource_types=["cpu"])["quota_left_set"] == [
            {"resource_type": "cpu", "left": 3}
        ]
        request = machine_request(make_keypair(cloud), security_group=group, count=2)
        answer = cloud.call("RunInstances", **request | {"instance_type": "s1.large.r1"})
        assert (answer["ret_code"], "[cpu]" in answer["message"]) == (2500, True)
        assert "instance" not in cloud.iaas.count_resources()
        assert request["image_id"] == IMAGE

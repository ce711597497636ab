"""What each changing call puts on the wire, and what it returns."""

import base64
from collections.abc import Callable

import pytest

from clients.qingcloud import QingCloud
from domain.cloud.records import InstanceSpec, Launch, ListenerSpec, PortForwardSpec, RuleSpec
from domain.kernel.errors import UnknownOutcome
from domain.spec.prices import Billing
from tests.clients.qingcloud.canned_cloud import CannedCloud, ok

MACHINES = InstanceSpec(
    name="k8s.demo.k8s-node",
    count=2,
    image_id="noble1x64a",
    type_id="s1.large.r2",
    disk_gib=40,
    vxnet_id="vxnet-1",
    keypair_id="kp-1",
    security_group_id="sg-2",
    userdata_attachment="uda-1",
)
MACHINE_PARAMS = {
    "zone": "pek3a",
    "instance_name": "k8s.demo.k8s-node",
    "count": "2",
    "image_id": "noble1x64a",
    "instance_type": "s1.large.r2",
    "os_disk_size": "40",
    "vxnets.1": "vxnet-1",
    "login_mode": "keypair",
    "login_keypair": "kp-1",
    "security_group": "sg-2",
}


@pytest.mark.parametrize(
    ("call", "action", "params", "reply", "result"),
    [
        pytest.param(
            lambda cloud: cloud.create_vpc("k8s.demo.router", "192.168.0.0/16", "sg-1"),
            "CreateRouters",
            {
                "router_name": "k8s.demo.router",
                "vpc_network": "192.168.0.0/16",
                "security_group": "sg-1",
                "count": "1",
            },
            {"routers": ["rtr-1"], "job_id": "j-1"},
            ("rtr-1", "j-1"),
            id="create_vpc",
        ),
        pytest.param(
            lambda cloud: cloud.create_vpc("k8s.demo.router", "192.168.0.0/16", ""),
            "CreateRouters",
            {"router_name": "k8s.demo.router", "vpc_network": "192.168.0.0/16", "count": "1"},
            {"routers": ["rtr-1"], "job_id": "j-1"},
            ("rtr-1", "j-1"),
            id="create_vpc without a group",
        ),
        pytest.param(
            lambda cloud: cloud.bind_eip_to_router("rtr-1", "eip-1"),
            "ModifyRouterAttributes",
            {"router": "rtr-1", "eip": "eip-1"},
            {"router_id": "rtr-1"},
            None,
            id="bind_eip_to_router",
        ),
        pytest.param(
            lambda cloud: cloud.bind_eip_to_router("rtr-1", ""),
            "ModifyRouterAttributes",
            {"router": "rtr-1", "eip": ""},
            {"router_id": "rtr-1"},
            None,
            id="bind_eip_to_router takes the address away",
        ),
        pytest.param(
            lambda cloud: cloud.update_router("rtr-1"),
            "UpdateRouters",
            {"routers.1": "rtr-1"},
            {"job_id": "j-1"},
            "j-1",
            id="update_router",
        ),
        pytest.param(
            lambda cloud: cloud.delete_vpc("rtr-1"),
            "DeleteRouters",
            {"routers.1": "rtr-1"},
            {"routers": ["rtr-1"], "job_id": "j-1"},
            "j-1",
            id="delete_vpc",
        ),
        pytest.param(
            lambda cloud: cloud.create_vxnet("k8s.demo.vxnet-1"),
            "CreateVxnets",
            {"vxnet_name": "k8s.demo.vxnet-1", "vxnet_type": "1", "count": "1"},
            {"vxnets": ["vxnet-1"]},
            "vxnet-1",
            id="create_vxnet",
        ),
        pytest.param(
            lambda cloud: cloud.join_router("vxnet-1", "rtr-1", "192.168.1.0/24"),
            "JoinRouter",
            {
                "vxnet": "vxnet-1",
                "router": "rtr-1",
                "ip_network": "192.168.1.0/24",
                "features": "1",
            },
            {"router_id": "rtr-1", "vxnet_id": "vxnet-1", "job_id": "j-1"},
            "j-1",
            id="join_router",
        ),
        pytest.param(
            lambda cloud: cloud.leave_router("rtr-1", ["vxnet-1", "vxnet-2"]),
            "LeaveRouter",
            {"router": "rtr-1", "vxnets.1": "vxnet-1", "vxnets.2": "vxnet-2"},
            {"job_id": "j-1"},
            "j-1",
            id="leave_router",
        ),
        pytest.param(
            lambda cloud: cloud.delete_vxnets(("vxnet-1", "vxnet-2")),
            "DeleteVxnets",
            {"vxnets.1": "vxnet-1", "vxnets.2": "vxnet-2"},
            {"vxnets": ["vxnet-1", "vxnet-2"]},
            None,
            id="delete_vxnets",
        ),
        pytest.param(
            lambda cloud: cloud.add_port_forwards(
                "rtr-1",
                [
                    PortForwardSpec("api", 8080, "192.168.1.5", 6443),
                    PortForwardSpec("ssh", 10022, "192.168.1.17", 22),
                ],
            ),
            "AddRouterStatics",
            {
                "router": "rtr-1",
                "statics.1.router_static_name": "api",
                "statics.1.static_type": "1",
                "statics.1.val1": "8080",
                "statics.1.val2": "192.168.1.5",
                "statics.1.val3": "6443",
                "statics.1.val4": "tcp",
                "statics.2.router_static_name": "ssh",
                "statics.2.static_type": "1",
                "statics.2.val1": "10022",
                "statics.2.val2": "192.168.1.17",
                "statics.2.val3": "22",
                "statics.2.val4": "tcp",
            },
            {"router_statics": ["rtrs-1", "rtrs-2"]},
            None,
            id="add_port_forwards",
        ),
        pytest.param(
            lambda cloud: cloud.delete_port_forwards(["rtrs-1"]),
            "DeleteRouterStatics",
            {"router_statics.1": "rtrs-1"},
            {"router_statics": ["rtrs-1"]},
            None,
            id="delete_port_forwards",
        ),
        pytest.param(
            lambda cloud: cloud.allocate_eip("k8s.demo.eip", 10, Billing.TRAFFIC),
            "AllocateEips",
            {
                "eip_name": "k8s.demo.eip",
                "bandwidth": "10",
                "billing_mode": "traffic",
                "count": "1",
            },
            {"eips": ["eip-1"]},
            "eip-1",
            id="allocate_eip",
        ),
        pytest.param(
            lambda cloud: cloud.release_eips(["eip-1"]),
            "ReleaseEips",
            {"eips.1": "eip-1"},
            {"eips": ["eip-1"], "job_id": "j-1"},
            "j-1",
            id="release_eips",
        ),
        pytest.param(
            lambda cloud: cloud.create_security_group("k8s.demo.firewall"),
            "CreateSecurityGroup",
            {"security_group_name": "k8s.demo.firewall"},
            {"security_group_id": "sg-1"},
            "sg-1",
            id="create_security_group",
        ),
        pytest.param(
            lambda cloud: cloud.add_rules(
                "sg-1",
                [
                    RuleSpec("api", "tcp", 8080, 8080, "203.0.113.0/24"),
                    RuleSpec("ping", "icmp", None, None, "", priority=0),
                ],
            ),
            "AddSecurityGroupRules",
            {
                "security_group": "sg-1",
                "rules.1.security_group_rule_name": "api",
                "rules.1.protocol": "tcp",
                "rules.1.priority": "1",
                "rules.1.direction": "0",
                "rules.1.action": "accept",
                "rules.1.val1": "8080",
                "rules.1.val2": "8080",
                "rules.1.val3": "203.0.113.0/24",
                "rules.2.security_group_rule_name": "ping",
                "rules.2.protocol": "icmp",
                "rules.2.priority": "0",
                "rules.2.direction": "0",
                "rules.2.action": "accept",
            },
            {"security_group_rules": ["sgr-1", "sgr-2"]},
            None,
            id="add_rules",
        ),
        pytest.param(
            lambda cloud: cloud.delete_rules(["sgr-1"]),
            "DeleteSecurityGroupRules",
            {"security_group_rules.1": "sgr-1"},
            {"security_group_rules": ["sgr-1"]},
            None,
            id="delete_rules",
        ),
        pytest.param(
            lambda cloud: cloud.apply_security_group("sg-1"),
            "ApplySecurityGroup",
            {"security_group": "sg-1"},
            {"job_id": "j-1"},
            "j-1",
            id="apply_security_group",
        ),
        pytest.param(
            lambda cloud: cloud.delete_security_groups(["sg-1"]),
            "DeleteSecurityGroups",
            {"security_groups.1": "sg-1"},
            {"security_groups": ["sg-1"]},
            None,
            id="delete_security_groups",
        ),
        pytest.param(
            lambda cloud: cloud.create_loadbalancer("k8s.demo.lb", "vxnet-1", "sg-1"),
            "CreateLoadBalancer",
            {
                "loadbalancer_name": "k8s.demo.lb",
                "loadbalancer_type": "0",
                "vxnet": "vxnet-1",
                "security_group": "sg-1",
            },
            {"loadbalancer_id": "lb-1", "job_id": "j-1"},
            ("lb-1", "j-1"),
            id="create_loadbalancer",
        ),
        pytest.param(
            lambda cloud: cloud.add_listeners("lb-1", [ListenerSpec("api", 8080)]),
            "AddLoadBalancerListeners",
            {
                "loadbalancer": "lb-1",
                "listeners.1.loadbalancer_listener_name": "api",
                "listeners.1.listener_port": "8080",
                "listeners.1.listener_protocol": "tcp",
                "listeners.1.backend_protocol": "tcp",
                "listeners.1.balance_mode": "roundrobin",
                "listeners.1.healthy_check_method": "tcp",
                "listeners.1.healthy_check_option": "2|5|2|2",
                "listeners.1.timeout": "3600",
                "listeners.1.tunnel_timeout": "3600",
            },
            {"loadbalancer_listeners": ["lbl-1"]},
            None,
            id="add_listeners",
        ),
        pytest.param(
            lambda cloud: cloud.delete_listeners(["lbl-1"]),
            "DeleteLoadBalancerListeners",
            {"loadbalancer_listeners.1": "lbl-1"},
            {"loadbalancer_listeners": ["lbl-1"]},
            None,
            id="delete_listeners",
        ),
        pytest.param(
            lambda cloud: cloud.add_backend("lbl-1", "i-1", "i-1", 6443),
            "AddLoadBalancerBackends",
            {
                "loadbalancer_listener": "lbl-1",
                "backends.1.loadbalancer_backend_name": "i-1",
                "backends.1.resource_id": "i-1",
                "backends.1.port": "6443",
                "backends.1.weight": "1",
            },
            {"loadbalancer_backends": ["lbb-1"]},
            None,
            id="add_backend",
        ),
        pytest.param(
            lambda cloud: cloud.delete_backends(["lbb-1"]),
            "DeleteLoadBalancerBackends",
            {"loadbalancer_backends.1": "lbb-1"},
            {"loadbalancer_backends": ["lbb-1"]},
            None,
            id="delete_backends",
        ),
        pytest.param(
            lambda cloud: cloud.update_loadbalancer("lb-1"),
            "UpdateLoadBalancers",
            {"loadbalancers.1": "lb-1"},
            {"job_id": "j-1"},
            "j-1",
            id="update_loadbalancer",
        ),
        pytest.param(
            lambda cloud: cloud.delete_loadbalancers(["lb-1"]),
            "DeleteLoadBalancers",
            {"loadbalancers.1": "lb-1"},
            {"loadbalancers": ["lb-1"], "job_id": "j-1"},
            "j-1",
            id="delete_loadbalancers",
        ),
        pytest.param(
            lambda cloud: cloud.create_keypair("k8s.demo.key", "ssh-ed25519 AAAA+/= k8s@demo\n"),
            "CreateKeyPair",
            {
                "keypair_name": "k8s.demo.key",
                "mode": "user",
                "encrypt_method": "ssh-ed25519",
                "public_key": "ssh-ed25519 AAAA+/= k8s@demo",
            },
            {"keypair_id": "kp-1", "private_key": ""},
            "kp-1",
            id="create_keypair",
        ),
        pytest.param(
            lambda cloud: cloud.delete_keypairs(["kp-1"]),
            "DeleteKeyPairs",
            {"keypairs.1": "kp-1"},
            {"keypairs": ["kp-1"]},
            None,
            id="delete_keypairs",
        ),
        pytest.param(
            lambda cloud: cloud.run_instances(MACHINES),
            "RunInstances",
            {
                **MACHINE_PARAMS,
                "need_userdata": "1",
                "userdata_type": "tar",
                "userdata_value": "uda-1",
            },
            {"instances": ["i-1", "i-2"], "job_id": "j-1"},
            Launch(("i-1", "i-2"), "j-1"),
            id="run_instances",
        ),
        pytest.param(
            lambda cloud: cloud.terminate_instances(["i-1", "i-2"]),
            "TerminateInstances",
            {"instances.1": "i-1", "instances.2": "i-2", "direct_cease": "1"},
            {"instances": ["i-1", "i-2"], "job_id": "j-1"},
            "j-1",
            id="terminate_instances",
        ),
        pytest.param(
            lambda cloud: cloud.create_tag("demo"),
            "CreateTag",
            {"tag_name": "demo"},
            {"tag_id": "tag-1"},
            "tag-1",
            id="create_tag",
        ),
        pytest.param(
            lambda cloud: cloud.attach_tag("tag-1", [("router", "rtr-1"), ("instance", "i-1")]),
            "AttachTags",
            {
                "resource_tag_pairs.1.tag_id": "tag-1",
                "resource_tag_pairs.1.resource_type": "router",
                "resource_tag_pairs.1.resource_id": "rtr-1",
                "resource_tag_pairs.2.tag_id": "tag-1",
                "resource_tag_pairs.2.resource_type": "instance",
                "resource_tag_pairs.2.resource_id": "i-1",
            },
            {},
            None,
            id="attach_tag",
        ),
        pytest.param(
            lambda cloud: cloud.delete_tags(["tag-1"]),
            "DeleteTags",
            {"tags.1": "tag-1"},
            {"tags": ["tag-1"]},
            None,
            id="delete_tags",
        ),
    ],
)
def test_a_change_is_sent_once_with_exactly_these_parameters(
    canned: CannedCloud,
    client: QingCloud,
    call: Callable[[QingCloud], object],
    action: str,
    params: dict[str, str],
    reply: dict[str, object],
    result: object,
) -> None:
    canned.play(ok(**reply))

    assert call(client) == result
    [request] = canned.requests
    assert request.action == action
    assert request.verb == "GET"
    assert request.own_params == {"zone": "pek3a", **params}


def test_userdata_is_posted_as_base64_text(canned: CannedCloud, client: QingCloud) -> None:
    archive = bytes(range(256)) * 4000
    canned.play(ok(attachment_id="uda-1"))

    assert client.upload_userdata(archive) == "uda-1"
    [request] = canned.requests
    assert request.verb == "POST"
    assert request.action == "UploadUserDataAttachment"
    assert base64.b64decode(request.params["attachment_content"]) == archive


def test_machines_without_userdata_are_requested_without_it(
    canned: CannedCloud, client: QingCloud
) -> None:
    canned.play(ok(instances=["i-1"], job_id="j-1"))
    client.run_instances(
        InstanceSpec("m", 1, "noble1x64a", "s1.large.r2", 40, "vxnet-1", "kp-1", "sg-2", "")
    )
    assert "need_userdata" not in canned.requests[0].params


def test_fewer_machines_than_requested_are_an_unknown_outcome(
    canned: CannedCloud, client: QingCloud
) -> None:
    canned.play(ok(instances=["i-1"], job_id="j-1"))
    with pytest.raises(UnknownOutcome, match="2 machines were requested and 1 are reported"):
        client.run_instances(MACHINES)


def test_a_change_too_long_for_a_url_is_posted(canned: CannedCloud, client: QingCloud) -> None:
    canned.play(ok())
    client.attach_tag("tag-1", [("instance", f"i-{number:08}") for number in range(100)])
    [request] = canned.requests
    assert request.verb == "POST"
    assert request.params["resource_tag_pairs.100.resource_id"] == "i-00000099"


def test_text_outside_ascii_is_signed_as_it_is_sent(canned: CannedCloud, client: QingCloud) -> None:
    canned.script = lambda request: ok(security_group_id="sg-1")
    for name in ("防火墙", "a b+c/d*e~f%20&g=h", "防火墙 " * 500):
        client.create_security_group(name)
        assert canned.requests[-1].params["security_group_name"] == name
    assert [request.verb for request in canned.requests] == ["GET", "GET", "POST"]


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda cloud: cloud.leave_router("rtr-1", []), id="leave_router"),
        pytest.param(lambda cloud: cloud.delete_vpc(""), id="delete_vpc"),
        pytest.param(lambda cloud: cloud.update_router(""), id="update_router"),
        pytest.param(lambda cloud: cloud.delete_vxnets([]), id="delete_vxnets"),
        pytest.param(lambda cloud: cloud.add_port_forwards("rtr-1", []), id="add_port_forwards"),
        pytest.param(lambda cloud: cloud.delete_port_forwards([]), id="delete_port_forwards"),
        pytest.param(lambda cloud: cloud.release_eips([]), id="release_eips"),
        pytest.param(lambda cloud: cloud.add_rules("sg-1", []), id="add_rules"),
        pytest.param(lambda cloud: cloud.delete_rules([]), id="delete_rules"),
        pytest.param(lambda cloud: cloud.delete_security_groups([]), id="delete_security_groups"),
        pytest.param(lambda cloud: cloud.add_listeners("lb-1", []), id="add_listeners"),
        pytest.param(lambda cloud: cloud.delete_backends([]), id="delete_backends"),
        pytest.param(lambda cloud: cloud.delete_listeners([]), id="delete_listeners"),
        pytest.param(lambda cloud: cloud.update_loadbalancer(""), id="update_loadbalancer"),
        pytest.param(lambda cloud: cloud.delete_loadbalancers([]), id="delete_loadbalancers"),
        pytest.param(lambda cloud: cloud.delete_keypairs([]), id="delete_keypairs"),
        pytest.param(lambda cloud: cloud.create_keypair("key", "AAAA"), id="create_keypair"),
        pytest.param(lambda cloud: cloud.terminate_instances([]), id="terminate_instances"),
        pytest.param(lambda cloud: cloud.terminate_instances(["i-1", ""]), id="an empty id"),
        pytest.param(lambda cloud: cloud.attach_tag("tag-1", []), id="attach_tag"),
        pytest.param(lambda cloud: cloud.delete_tags([]), id="delete_tags"),
    ],
)
def test_a_change_of_nothing_is_refused_before_it_is_sent(
    canned: CannedCloud, client: QingCloud, call: Callable[[QingCloud], object]
) -> None:
    with pytest.raises(ValueError, match=r"at least one|public key"):
        call(client)
    assert canned.requests == []

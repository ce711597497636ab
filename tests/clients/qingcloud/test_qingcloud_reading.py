"""The records that the client builds from the cloud's replies."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clients.qingcloud import QingCloud
from domain.cloud.records import (
    Backend,
    Eip,
    Image,
    Instance,
    InstanceStatus,
    InstanceType,
    Job,
    JobStatus,
    KeyPair,
    Listener,
    LoadBalancer,
    Nic,
    PortForward,
    PortForwardSpec,
    Rule,
    RuleSpec,
    SecurityGroup,
    Tag,
    Volume,
    Vpc,
    Vxnet,
    Zone,
)
from domain.kernel.errors import FinalError, NotFound, UnknownOutcome
from domain.spec.prices import Billing
from tests.clients.qingcloud.canned_cloud import Answer, CannedCloud, ok, refused

CASES = Path(__file__).parents[2] / "cases" / "qingcloud"
LIVING_INSTANCE = {"status.1": "pending", "status.2": "running", "status.3": "stopped"}


def case(action: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((CASES / f"{action}.json").read_text())
    return content


def at(hour: int, minute: int, second: int = 0, microsecond: int = 0) -> datetime:
    return datetime(2026, 8, 30, hour, minute, second, microsecond, tzinfo=UTC)


VPC = Vpc(
    id="rtr-3ab9xk2d",
    name="k8s.demo.router",
    cidr="192.168.0.0/16",
    status="active",
    transition="",
    is_applied=True,
    security_group_id="sg-77fw2a1q",
    eip_id="eip-0c4tz9mm",
    eip_address="139.198.0.10",
    created_at=at(5, 13, 32),
    vxnet_ids=("vxnet-x1y2z3a4",),
)
INSTANCE = Instance(
    id="i-7f3k2m1x",
    name="k8s.demo.k8s-node",
    status=InstanceStatus.RUNNING,
    transition="",
    vxnet_id="vxnet-x1y2z3a4",
    private_ip="192.168.1.17",
    image_id="jammyx64a",
    type_id="s1.large.r2",
    vcpus=2,
    memory_mib=4096,
    security_group_id="sg-machines",
    keypair_ids=("kp-11aa22bb",),
    created_at=at(5, 13, 32),
    nic_id="52:54:00:aa:bb:cc",
    disk_gib=40,
)
LOADBALANCER = LoadBalancer(
    id="lb-5t6y7u8i",
    name="k8s.demo.lb",
    vxnet_id="vxnet-x1y2z3a4",
    private_ip="192.168.1.5",
    status="active",
    transition="",
    is_applied=True,
    security_group_id="sg-77fw2a1q",
    created_at=at(5, 15),
)


@pytest.mark.parametrize(
    ("action", "call", "asked", "records"),
    [
        (
            "DescribeRouters",
            lambda cloud: cloud.find_vpcs("k8s.demo.router"),
            {"search_word": "k8s.demo.router", "verbose": "1", "status.2": "active"},
            [
                VPC,
                replace(
                    VPC,
                    id="rtr-9zzq81ce",
                    vxnet_ids=(),
                    cidr="172.16.0.0/16",
                    status="pending",
                    transition="creating",
                    is_applied=False,
                    security_group_id="",
                    eip_id="",
                    eip_address="",
                    created_at=at(6, 0),
                ),
            ],
        ),
        (
            "DescribeVolumes",
            lambda cloud: cloud.read_volumes(["vol-1a2b3c4d", "vol-5e6f7a8b"]),
            {"volumes.1": "vol-1a2b3c4d", "status.3": "in-use"},
            [
                Volume(
                    "vol-1a2b3c4d",
                    "pvc-6f1d2c3b-4a59-4e68-9b7a-1c2d3e4f5a6b",
                    20,
                    "i-7f3k2m1x",
                    at(5, 20),
                ),
                Volume("vol-5e6f7a8b", "", 10, "", at(5, 21)),
            ],
        ),
        (
            "DescribeNics",
            lambda cloud: cloud.list_nics(["vxnet-x1y2z3a4"]),
            {"vxnets.1": "vxnet-x1y2z3a4"},
            [Nic("52:54:00:11:22:44", "spare", "vxnet-x1y2z3a4", "")],
        ),
        (
            "DescribeVxnets",
            lambda cloud: cloud.find_vxnets("k8s.demo.vxnet-"),
            {"search_word": "k8s.demo.vxnet-"},
            [
                Vxnet(
                    "vxnet-x1y2z3a4",
                    "k8s.demo.vxnet-1",
                    "rtr-3ab9xk2d",
                    "192.168.1.0/24",
                    at(5, 13, 40),
                    ("i-7f3k2m1x",),
                ),
                Vxnet("vxnet-b5c6d7e8", "k8s.demo.vxnet-2", "", "", at(5, 13, 41)),
            ],
        ),
        (
            "DescribeRouterStatics",
            lambda cloud: cloud.list_port_forwards("rtr-3ab9xk2d"),
            {"router": "rtr-3ab9xk2d", "static_type": "1"},
            [
                PortForward(
                    "rtrs-1a2b3c4d",
                    "rtr-3ab9xk2d",
                    PortForwardSpec("api", 8080, "192.168.1.5", 6443),
                )
            ],
        ),
        (
            "DescribeEips",
            lambda cloud: cloud.find_eips("k8s.demo.eip"),
            {"search_word": "k8s.demo.eip", "status.1": "pending", "status.3": "associated"},
            [
                Eip(
                    id="eip-0c4tz9mm",
                    name="k8s.demo.eip",
                    address="139.198.0.10",
                    bandwidth_mbps=10,
                    billing=Billing.TRAFFIC,
                    status="associated",
                    transition="",
                    bound_to="rtr-3ab9xk2d",
                    created_at=at(5, 13, 50),
                ),
                Eip(
                    id="eip-ffffffff",
                    name="k8s.demo.eip",
                    address="139.198.0.11",
                    bandwidth_mbps=4,
                    billing=Billing.BANDWIDTH,
                    status="available",
                    transition="associating",
                    bound_to="",
                    created_at=at(5, 13, 51, 250_000),
                ),
            ],
        ),
        (
            "DescribeSecurityGroups",
            lambda cloud: cloud.find_security_groups("k8s.demo.firewall"),
            {"search_word": "k8s.demo.firewall", "verbose": "1"},
            [SecurityGroup("sg-77fw2a1q", "k8s.demo.firewall", False, created_at=at(5, 13, 30))],
        ),
        (
            "DescribeSecurityGroupRules",
            lambda cloud: cloud.list_rules("sg-77fw2a1q"),
            {"security_group": "sg-77fw2a1q", "direction": "0"},
            [
                Rule(
                    "sgr-api00001",
                    "sg-77fw2a1q",
                    RuleSpec("api", "tcp", 8080, 8080, "203.0.113.0/24", 1),
                ),
                Rule("sgr-range001", "sg-77fw2a1q", RuleSpec("", "udp", 1, 65535, "", 5)),
                Rule("sgr-ping0001", "sg-77fw2a1q", RuleSpec("ping", "icmp", None, None, "", 0)),
            ],
        ),
        (
            "DescribeLoadBalancers",
            lambda cloud: cloud.find_loadbalancers("k8s.demo.lb"),
            {"search_word": "k8s.demo.lb", "status.2": "active"},
            [
                LOADBALANCER,
                replace(
                    LOADBALANCER,
                    id="lb-newborn1",
                    private_ip="",
                    status="pending",
                    transition="creating",
                    is_applied=False,
                    security_group_id="",
                    created_at=at(5, 16),
                ),
            ],
        ),
        (
            "DescribeLoadBalancerListeners",
            lambda cloud: cloud.list_listeners("lb-5t6y7u8i"),
            {"loadbalancer": "lb-5t6y7u8i"},
            [Listener("lbl-0a0b0c0d", "api", "lb-5t6y7u8i", 8080)],
        ),
        (
            "DescribeLoadBalancerBackends",
            lambda cloud: cloud.list_backends("lb-5t6y7u8i"),
            {"loadbalancer": "lb-5t6y7u8i"},
            [Backend("lbb-9i8u7y6t", "i-7f3k2m1x", "lbl-0a0b0c0d", "i-7f3k2m1x", 6443)],
        ),
        (
            "DescribeInstances",
            lambda cloud: cloud.find_instances("k8s.demo."),
            {"search_word": "k8s.demo.", "verbose": "1", **LIVING_INSTANCE},
            [
                INSTANCE,
                replace(
                    INSTANCE,
                    id="i-booting1",
                    name="k8s.demo.k8s-master",
                    status=InstanceStatus.PENDING,
                    transition="creating",
                    vxnet_id="",
                    private_ip="",
                    security_group_id="",
                    keypair_ids=(),
                    created_at=at(5, 13, 33),
                    nic_id="",
                    disk_gib=0,
                ),
            ],
        ),
        (
            "DescribeKeyPairs",
            lambda cloud: cloud.find_keypairs("k8s.demo.key"),
            {"search_word": "k8s.demo.key", "verbose": "1"},
            [
                KeyPair(
                    "kp-11aa22bb",
                    "k8s.demo.key",
                    "AAAAC3NzaC1lZDI1NTE5AAAAIGJhc2U2NA==",
                    ("i-7f3k2m1x",),
                    at(5, 13),
                )
            ],
        ),
        (
            "DescribeTags",
            lambda cloud: cloud.find_tags("demo"),
            {"search_word": "demo"},
            [Tag("tag-hp55o9i5", "demo")],
        ),
        (
            "DescribeImages",
            lambda cloud: cloud.list_system_images(),
            {"provider": "system", "processor_type": "64bit", "status.1": "available"},
            [
                Image(
                    "noble1x64a",
                    "Ubuntu Server 24.04 LTS 64bit",
                    "ubuntu",
                    "available",
                    20,
                    "ubuntu",
                ),
                Image("centos7x64d", "CentOS 7.0 64bit", "centos", "available", 20, "root"),
            ],
        ),
        (
            "DescribeInstanceTypes",
            lambda cloud: cloud.list_instance_types(),
            {},
            [InstanceType("s1.large.r2", 2, 4096, "available")],
        ),
        (
            "DescribeZones",
            lambda cloud: cloud.list_zones(),
            {},
            [Zone("pek3a", "active"), Zone("pek3c", "faulty")],
        ),
        (
            "GetQuotaLeft",
            lambda cloud: cloud.read_quota_left(["instance", "eip"]),
            {"resource_types.1": "instance", "resource_types.2": "eip"},
            {"instance": 12, "eip": 0},
        ),
        (
            "DescribeJobs",
            lambda cloud: cloud.read_jobs(["j-bi35tmpk", "j-2bnk4h0q"]),
            {"jobs.1": "j-bi35tmpk", "jobs.2": "j-2bnk4h0q"},
            [
                Job(
                    "j-bi35tmpk",
                    "RunInstances",
                    JobStatus.PARTLY_FAILED,
                    ("i-7f3k2m1x", "i-booting1"),
                    "5200",
                ),
                Job("j-2bnk4h0q", "UpdateRouters", JobStatus.WORKING, ("rtr-3ab9xk2d",), ""),
            ],
        ),
    ],
)
def test_a_reply_becomes_records(
    canned: CannedCloud,
    client: QingCloud,
    action: str,
    call: Callable[[QingCloud], object],
    asked: dict[str, str],
    records: object,
) -> None:
    canned.play(ok(**case(action)))

    assert call(client) == records
    [request] = canned.requests
    assert request.action == action
    assert request.verb == "GET"
    assert asked.items() <= request.own_params.items()


def test_every_recorded_reply_is_used() -> None:
    text = Path(__file__).read_text()
    assert all(f'"{file.stem}"' in text for file in CASES.glob("*.json"))


def test_zones_are_listed_also_when_the_own_zone_is_unknown(
    canned: CannedCloud, client: QingCloud
) -> None:
    canned.play(ok(**case("DescribeZones")))
    client.list_zones()
    assert "zone" not in canned.requests[0].params


def test_all_other_calls_name_the_zone(canned: CannedCloud, client: QingCloud) -> None:
    canned.play(ok(**case("DescribeTags")))
    client.find_tags("demo")
    assert canned.requests[0].params["zone"] == "pek3a" == client.zone


def test_a_deleted_vpc_is_not_found(canned: CannedCloud, client: QingCloud) -> None:
    canned.play(ok(router_set=[], total_count=0), refused(2100, "ResourceNotFound"))
    for _ in range(2):
        with pytest.raises(NotFound):
            client.read_vpc("rtr-1")
    assert canned.requests[0].params["routers.1"] == "rtr-1"


def test_an_image_that_does_not_exist_is_none(canned: CannedCloud, client: QingCloud) -> None:
    canned.play(ok(image_set=[], total_count=0), refused(2100, "ResourceNotFound"))
    assert client.find_image("gone") is None
    assert client.find_image("gone") is None
    assert client.find_image("") is None
    assert [request.params["images.1"] for request in canned.requests] == ["gone", "gone"]


def test_no_call_is_made_without_ids(canned: CannedCloud, client: QingCloud) -> None:
    assert client.read_jobs([]) == []
    assert client.read_quota_left([]) == {}
    assert canned.requests == []


@pytest.mark.parametrize(
    ("action", "set_name", "call"),
    [
        ("DescribeJobs", "job_set", lambda cloud: cloud.read_jobs(["j-1"])),
        ("DescribeInstances", "instance_set", lambda cloud: cloud.find_instances("")),
    ],
)
def test_an_unknown_status_is_an_error_at_once(
    canned: CannedCloud,
    client: QingCloud,
    action: str,
    set_name: str,
    call: Callable[[QingCloud], object],
) -> None:
    item = {**case(action)[set_name][0], "status": "dreaming"}
    canned.play(ok(**{set_name: [item], "total_count": 1}))
    with pytest.raises(FinalError, match="dreaming"):
        call(client)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("router_id", None),
        ("router_id", 7),
        ("status", ""),
        ("is_applied", "yes"),
        ("create_time", "yesterday"),
        ("create_time", "2026-08-30T05:13:32"),
        ("eip", "eip-1"),
    ],
)
def test_invalid_field_is_named_and_its_value_not_shown(
    canned: CannedCloud, client: QingCloud, field: str, value: object
) -> None:
    item = {**case("DescribeRouters")["router_set"][0], field: value}
    canned.play(ok(router_set=[item], total_count=1))
    with pytest.raises(FinalError, match=f"DescribeRouters.*{field}") as caught:
        client.find_vpcs("k8s.demo.router")
    assert not isinstance(caught.value, UnknownOutcome)
    assert "192.168.0.0" not in str(caught.value)


@pytest.mark.parametrize("reply", [{}, {"tag_set": None}, {"tag_set": {}}, {"tag_set": ["tag-1"]}])
def test_an_absent_list_does_not_mean_that_nothing_exists(
    canned: CannedCloud, client: QingCloud, reply: dict[str, object]
) -> None:
    canned.play(ok(**reply))
    with pytest.raises(FinalError, match="tag_set"):
        client.find_tags("demo")


def test_an_empty_list_means_that_nothing_exists(canned: CannedCloud, client: QingCloud) -> None:
    canned.play(Answer(b'{"ret_code": 0, "total_count": 0, "tag_set": []}'))
    assert client.find_tags("demo") == []

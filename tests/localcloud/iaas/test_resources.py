"""Resources: created, shown, found, and deleted."""

import base64

from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from localcloud.parts import UserdataKind
from tests.localcloud.iaas.cloud_under_test import IMAGE, CloudUnderTest, eventually
from tests.localcloud.iaas.network_under_test import (
    PUBLIC_KEY,
    forward,
    listen,
    machine_request,
    make_balancer,
    make_eip,
    make_keypair,
    make_network,
    make_vpc,
    private_ip,
    run_machines,
)


def test_whole_network_is_created_and_deleted_without_leftovers(cloud: CloudUnderTest) -> None:
    network = make_network(cloud, 8080, 10022)
    keypair = make_keypair(cloud)
    machines = run_machines(cloud, network.vxnet, count=3, login_keypair=keypair)
    balancer = make_balancer(cloud, network.vxnet, network.group)
    listen(cloud, balancer, 8080, machines[:1])
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    forward(cloud, network, 8080, cloud.one("loadbalancer", balancer)["private_ips"][0], 8080)
    cloud.done("UpdateRouters", routers=[network.router])
    tag = cloud.ok("CreateTag", tag_name="demo")["tag_id"]
    pairs = [("router", network.router), ("instance", machines[0]), ("keypair", keypair)]
    cloud.ok(
        "AttachTags",
        resource_tag_pairs=[
            {"tag_id": tag, "resource_type": kind, "resource_id": r} for kind, r in pairs
        ],
    )
    assert cloud.iaas.count_resources() == {
        "backend": 1,
        "eip": 1,
        "instance": 3,
        "keypair": 1,
        "listener": 1,
        "loadbalancer": 1,
        "router": 1,
        "router_static": 1,
        "security_group": 1,
        "security_group_rule": 2,
        "tag": 1,
        "vxnet": 1,
    }
    cloud.done("DeleteLoadBalancers", loadbalancers=[balancer])
    cloud.done("TerminateInstances", instances=machines, direct_cease=1)
    cloud.ok("ModifyRouterAttributes", router=network.router, eip="")
    cloud.done("UpdateRouters", routers=[network.router])
    cloud.done("LeaveRouter", router=network.router, vxnets=[network.vxnet])
    cloud.ok("DeleteVxnets", vxnets=[network.vxnet])
    cloud.done("DeleteRouters", routers=[network.router])
    cloud.done("ReleaseEips", eips=[network.eip])
    cloud.ok("DeleteSecurityGroups", security_groups=[network.group])
    cloud.ok("DeleteKeyPairs", keypairs=[keypair])
    cloud.ok("DeleteTags", tags=[tag])
    assert cloud.iaas.count_resources() == {}
    assert not cloud.machines.specs


def test_deleted_resources_stay_readable_by_id(cloud: CloudUnderTest) -> None:
    router, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    cloud.done("TerminateInstances", instances=[machine], direct_cease=1)
    seen = cloud.one("instance", machine)
    assert (seen["status"], seen["transition_status"]) == ("ceased", "")
    assert cloud.ok("DescribeInstances")["total_count"] == 0
    assert cloud.ok("DescribeInstances", status=["ceased"])["total_count"] == 1
    cloud.done("LeaveRouter", router=router, vxnets=[vxnet])
    cloud.done("DeleteRouters", routers=[router])
    assert cloud.one("router", router)["status"] == "ceased"


def test_terminated_machine_waits_in_the_recycle_bin(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    cloud.done("TerminateInstances", instances=[machine])
    assert cloud.one("instance", machine)["status"] == "terminated"
    assert "instance" not in cloud.iaas.count_resources()
    cloud.done("CeaseInstances", instances=[machine])
    assert cloud.one("instance", machine)["status"] == "ceased"
    assert not cloud.machines.specs


def test_machine_boots_with_the_requested_attributes(cloud: CloudUnderTest) -> None:
    router, vxnet = make_vpc(cloud)
    upload = cloud.sdk.upload_userdata(base64.b64encode(b"an archive").decode(), "boot.tar")
    (machine,) = run_machines(
        cloud,
        f"{vxnet}|192.168.1.77",
        hostname="master",
        need_userdata=1,
        userdata_type="tar",
        userdata_value=upload["attachment_id"],
    )
    spec = cloud.machines.specs[machine]
    assert (spec.vpc, spec.address, spec.hostname) == (router, "192.168.1.77", "master")
    assert (spec.os_id, spec.os_version, spec.login_user) == ("ubuntu", "24.04", "root")
    assert spec.authorized_keys == (PUBLIC_KEY.removesuffix(" me"),)
    assert spec.userdata is not None
    assert (spec.userdata.kind, spec.userdata.content) == (UserdataKind.TAR, b"an archive")
    assert (spec.vcpus, spec.memory_mib) == (1, 2048)


def test_machines_of_one_request_share_a_name_and_nothing_else(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    machines = run_machines(cloud, vxnet, count=3, instance_name="k8s.demo.k8s-node")
    seen = [cloud.one("instance", machine) for machine in machines]
    assert {m["instance_name"] for m in seen} == {"k8s.demo.k8s-node"}
    addresses = {m["vxnets"][0]["private_ip"] for m in seen}
    assert addresses == {"192.168.1.2", "192.168.1.3", "192.168.1.4"}
    assert {m["hostname"] for m in seen} == set(machines)


def test_stopped_machine_keeps_its_address_and_starts_again(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    address = private_ip(cloud, machine)
    cloud.done("StopInstances", instances=[machine])
    assert machine not in cloud.machines.running
    assert private_ip(cloud, machine) == address
    cloud.done("StartInstances", instances=[machine])
    eventually(lambda: machine in cloud.machines.running)
    cloud.done("RestartInstances", instances=[machine])
    eventually(lambda: machine in cloud.machines.running)
    assert cloud.one("instance", machine)["status"] == "running"


def test_machine_gets_an_address_at_its_first_start_in_a_network_with_a_router(
    cloud: CloudUnderTest,
) -> None:
    (vxnet,) = cloud.ok("CreateVxnets", vxnet_type=1)["vxnets"]
    request = machine_request(make_keypair(cloud), vxnets=[vxnet])
    (machine,) = cloud.done("RunInstances", **request)["instances"]
    assert cloud.one("instance", machine)["status"] == "running"
    assert private_ip(cloud, machine) == ""
    router, _ = make_vpc(cloud)
    cloud.done("JoinRouter", router=router, vxnet=vxnet, ip_network="192.168.2.0/24")
    cloud.done("RestartInstances", instances=[machine])
    assert eventually(lambda: private_ip(cloud, machine)) == "192.168.2.2"


def test_cpu_and_memory_override_the_instance_type(cloud: CloudUnderTest) -> None:
    request = machine_request(make_keypair(cloud), cpu=4, memory=8192)
    (machine,) = cloud.done("RunInstances", **request)["instances"]
    seen = cloud.one("instance", machine)
    assert (seen["vcpus_current"], seen["memory_current"]) == (4, 8192)


def test_numbers_are_numbers_and_nothing_that_clients_follow_is_null(
    cloud: CloudUnderTest,
) -> None:
    network = make_network(cloud, 22)
    (machine,) = run_machines(cloud, network.vxnet)
    instance = cloud.one("instance", machine)
    assert isinstance(instance["image"], dict)
    assert isinstance(instance["extra"], dict)
    assert isinstance(instance["vcpus_current"], int)
    vxnet = cloud.one("vxnet", network.vxnet)
    assert (vxnet["vpc_router_id"], vxnet["vxnet_type"]) == (network.router, 1)
    assert vxnet["router"]["ip_network"] == "192.168.1.0/24"
    assert vxnet["instance_ids"] == [machine]
    (rule,) = cloud.ok("DescribeSecurityGroupRules", security_group=network.group)[
        "security_group_rule_set"
    ]
    assert (rule["val1"], rule["priority"], rule["direction"]) == ("22", 1, 0)
    assert cloud.one("eip", make_eip(cloud))["resource"] == {
        "resource_id": "",
        "resource_name": "",
        "resource_type": "",
    }


def test_job_shows_its_resources_as_one_text(cloud: CloudUnderTest) -> None:
    request = machine_request(make_keypair(cloud), count=2)
    answer = cloud.ok("RunInstances", **request)
    (job,) = cloud.ok("DescribeJobs", jobs=[answer["job_id"]])["job_set"]
    assert job["resource_ids"] == " ".join(answer["instances"])
    assert (job["job_action"], job["error_codes"]) == ("RunInstances", "")
    assert cloud.job(answer)["status"] == "successful"


def test_lists_come_in_pages_of_twenty_and_at_most_a_hundred(cloud: CloudUnderTest) -> None:
    cloud.ok("CreateVxnets", vxnet_type=1, count=99)
    for body, expected in (({}, 20), ({"limit": 500}, 100), ({"offset": 95}, 5)):
        answer = cloud.ok("DescribeVxnets", **body)
        assert len(answer["vxnet_set"]) == expected
        assert answer["total_count"] == 100  # the basic network is among them
    beyond = cloud.ok("DescribeVxnets", offset=100)
    assert (beyond["vxnet_set"], beyond["total_count"]) == ([], 100)


def test_lists_are_filtered_by_words_tags_and_status(cloud: CloudUnderTest) -> None:
    (first,) = cloud.ok("CreateVxnets", vxnet_type=1, vxnet_name="k8s.demo.vxnet-1")["vxnets"]
    cloud.ok("CreateVxnets", vxnet_type=1, vxnet_name="k8s.other.vxnet-1")
    tag = cloud.ok("CreateTag", tag_name="demo")["tag_id"]
    pair = {"tag_id": tag, "resource_type": "vxnet", "resource_id": first}
    cloud.ok("AttachTags", resource_tag_pairs=[pair])
    cloud.ok("AttachTags", resource_tag_pairs=[pair])
    for body in ({"search_word": "DEMO"}, {"tags": [tag]}, {"search_word": first}):
        (found,) = cloud.ok("DescribeVxnets", **body)["vxnet_set"]
        assert found["vxnet_id"] == first
    assert cloud.one("tag", tag)["resource_count"] == 1
    cloud.ok("DetachTags", resource_tag_pairs=[pair])
    assert cloud.ok("DescribeVxnets", tags=[tag])["total_count"] == 0
    assert cloud.ok("DescribeVxnets", vxnets=["vxnet-none"])["total_count"] == 0


def test_images_are_found_by_their_name(cloud: CloudUnderTest) -> None:
    images = cloud.ok(
        "DescribeImages",
        provider="system",
        os_family="ubuntu",
        status=["available"],
        processor_type="64bit",
    )["image_set"]
    assert {image["image_id"] for image in images} >= {IMAGE}
    assert all("Ubuntu" in image["image_name"] for image in images)
    assert all(image["default_user"] for image in images)


def test_key_made_by_the_cloud_is_shown_once(cloud: CloudUnderTest) -> None:
    answer = cloud.ok("CreateKeyPair", keypair_name="k", encrypt_method="ssh-ed25519")
    load_ssh_private_key(answer["private_key"].encode(), password=None)
    seen = cloud.one("keypair", answer["keypair_id"])
    assert "private_key" not in seen
    assert seen["pub_key"].startswith("AAAAC3NzaC1lZDI1NTE5")


def test_key_of_the_user_is_stored_without_its_type_and_comment(cloud: CloudUnderTest) -> None:
    seen = cloud.one("keypair", make_keypair(cloud))
    assert seen["encrypt_method"] == "ssh-ed25519"
    assert seen["pub_key"] == PUBLIC_KEY.split()[1]


def test_keys_are_attached_twice_and_detached_once(cloud: CloudUnderTest) -> None:
    keypair, other = make_keypair(cloud), make_keypair(cloud)
    (machine,) = cloud.done("RunInstances", **machine_request(keypair))["instances"]
    cloud.done("AttachKeyPairs", keypairs=[keypair, other], instances=[machine])
    assert cloud.one("instance", machine)["keypair_ids"] == [keypair, other]
    cloud.done("DetachKeyPairs", keypairs=[keypair], instances=[machine])
    cloud.ok("DeleteKeyPairs", keypairs=[keypair])
    assert cloud.one("keypair", other)["instance_ids"] == [machine]


def test_a_balancer_is_shown_at_each_of_the_three_levels_of_detail(cloud: CloudUnderTest) -> None:
    """QingCloud's cloud controller manager asks for level 2, which adds health to the listeners."""
    network = make_network(cloud)
    balancer = make_balancer(cloud, network.vxnet, network.group)
    for level, detailed in ((0, False), (1, True), (2, True)):
        answer = cloud.ok("DescribeLoadBalancers", loadbalancers=[balancer], verbose=level)
        assert ("listeners" in answer["loadbalancer_set"][0]) is detailed
    assert cloud.call("DescribeLoadBalancers", verbose=3)["ret_code"] == 1100


def test_the_white_list_of_a_key_is_a_text_as_the_vendors_clients_read_it(
    cloud: CloudUnderTest,
) -> None:
    (key,) = cloud.ok("DescribeAccessKeys")["access_key_set"]
    assert key["ip_white_list"] == ""


def test_renaming_a_router_with_an_empty_group_changes_no_group(cloud: CloudUnderTest) -> None:
    network = make_network(cloud)
    cloud.ok("ModifyRouterAttributes", router=network.router, router_name="new", security_group="")
    seen = cloud.one("router", network.router)
    assert (seen["router_name"], seen["security_group_id"]) == ("new", network.group)
    assert seen["eip"]["eip_id"] == network.eip
    assert seen["is_applied"] == 1

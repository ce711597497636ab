"""Changes of existing resources: moved, resized, powered off, given addresses."""

import socket
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

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
    open_ports,
    private_ip,
    run_machines,
)


def refused(cloud: CloudUnderTest, action: str, **body: Any) -> str:
    answer = cloud.call(action, **body)
    assert answer["ret_code"] == 1400, answer
    return str(answer["message"])


def test_machine_without_a_network_joins_one_leaves_it_and_joins_again(
    cloud: CloudUnderTest,
) -> None:
    _, vxnet = make_vpc(cloud)
    (machine,) = cloud.done("RunInstances", **machine_request(make_keypair(cloud)))["instances"]
    assert cloud.one("instance", machine)["vxnets"] == []
    cloud.done("JoinVxnet", vxnet=f"{vxnet}|192.168.1.77", instances=[machine])
    assert eventually(partial(private_ip, cloud, machine)) == "192.168.1.77"
    eventually(partial(cloud.machines.is_running, machine))
    listed = cloud.ok("DescribeVxnetInstances", vxnet=vxnet)["instance_set"]
    assert [one["instance_id"] for one in listed] == [machine]
    assert "is in vxnet" in refused(cloud, "JoinVxnet", vxnet=vxnet, instances=[machine])
    cloud.done("LeaveVxnet", vxnet=vxnet, instances=[machine])
    assert not cloud.machines.is_running(machine)
    assert cloud.ok("DescribeVxnetInstances", vxnet=vxnet)["total_count"] == 0
    assert "is not in vxnet" in refused(cloud, "LeaveVxnet", vxnet=vxnet, instances=[machine])
    cloud.done("JoinVxnet", vxnet=vxnet, instances=[machine])
    assert eventually(partial(private_ip, cloud, machine)) == "192.168.1.2"


def test_join_fails_as_a_job_when_the_address_is_taken(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    (taken,) = run_machines(cloud, vxnet)
    (machine,) = cloud.done("RunInstances", **machine_request(make_keypair(cloud)))["instances"]
    place = f"{vxnet}|{private_ip(cloud, taken)}"
    job = cloud.job(cloud.ok("JoinVxnet", vxnet=place, instances=[machine]))
    assert job["status"] == "failed"
    assert "already used" in job["error_codes"]


def test_network_can_join_after_a_failed_join(cloud: CloudUnderTest) -> None:
    (router,) = cloud.done("CreateRouters", vpc_network="192.168.0.0/16")["routers"]
    (vxnet,) = cloud.ok("CreateVxnets", vxnet_type=1)["vxnets"]
    request = {"router": router, "vxnet": vxnet, "ip_network": "192.168.1.0/24"}
    cloud.fault("job-failure", action="JoinRouter", times=1)
    assert cloud.job(cloud.ok("JoinRouter", **request))["status"] == "failed"
    assert cloud.one("vxnet", vxnet)["router"] == {}
    cloud.done("JoinRouter", **request)


def test_start_fails_for_the_machine_that_gets_no_address(cloud: CloudUnderTest) -> None:
    (router,) = cloud.done("CreateRouters", vpc_network="192.168.0.0/16")["routers"]
    (vxnet,) = cloud.ok("CreateVxnets", vxnet_type=1)["vxnets"]
    request = machine_request(make_keypair(cloud), vxnets=[vxnet], count=2)
    machines = cloud.done("RunInstances", **request)["instances"]
    cloud.done("StopInstances", instances=machines)
    only = {"dyn_ip_start": "192.168.1.9", "dyn_ip_end": "192.168.1.9"}
    cloud.done("JoinRouter", router=router, vxnet=vxnet, ip_network="192.168.1.0/24", **only)
    job = cloud.job(cloud.ok("StartInstances", instances=machines))
    assert job["status"] == "done with failure"
    assert "has no free address left" in job["error_codes"]
    seen = [cloud.one("instance", machine) for machine in machines]
    assert [(one["status"], one["transition_status"]) for one in seen] == [
        ("running", ""),
        ("stopped", ""),
    ]


def test_machine_with_its_own_address_answers_on_what_its_group_opens(
    cloud: CloudUnderTest,
) -> None:
    _, vxnet = make_vpc(cloud)
    group = make_group(cloud, 6443)
    (machine,) = run_machines(cloud, vxnet, security_group=group)
    eip = make_eip(cloud)
    cloud.done("AssociateEip", eip=eip, instance=machine)
    address = cloud.one("eip", eip)["eip_addr"]
    assert read_port(address, 6443) == machine.encode()
    assert cloud.one("instance", machine)["eip"]["eip_addr"] == address
    assert cloud.one("eip", eip)["resource"]["resource_type"] == "instance"
    assert "already" in refused(cloud, "AssociateEip", eip=make_eip(cloud), instance=machine)
    cloud.ok("DeleteSecurityGroupRules", security_group_rules=rules_of(cloud, group))
    assert read_port(address, 6443) == machine.encode()
    cloud.done("ApplySecurityGroup", security_group=group)
    with pytest.raises(ConnectionRefusedError):
        read_port(address, 6443)
    open_ports(cloud, group, 6443)
    cloud.done("ApplySecurityGroup", security_group=group)
    assert read_port(address, 6443) == machine.encode()
    cloud.done("TerminateInstances", instances=[machine], direct_cease=1)
    assert cloud.one("eip", eip)["status"] == "available"
    with pytest.raises(ConnectionRefusedError):
        read_port(address, 6443)


def rules_of(cloud: CloudUnderTest, group: str) -> list[str]:
    found = cloud.ok("DescribeSecurityGroupRules", security_group=group)["security_group_rule_set"]
    return [rule["security_group_rule_id"] for rule in found]


def test_group_is_removed_from_a_machine(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    group = make_group(cloud)
    (machine,) = run_machines(cloud, vxnet, security_group=group)
    assert "is used by instance" in refused(cloud, "DeleteSecurityGroups", security_groups=[group])
    cloud.done("RemoveSecurityGroup", instances=[machine])
    cloud.ok("DeleteSecurityGroups", security_groups=[group])


def test_address_shows_no_transition_while_its_bandwidth_changes() -> None:
    clock = HeldClock()
    with serve_cloud(replace(PROFILES["instant"], change_eip=3600.0), clock=clock) as cloud:
        (eip,) = cloud.ok("AllocateEips", bandwidth=4)["eips"]
        clock.is_over = True
        eventually(lambda: cloud.one("eip", eip)["status"] == "available")
        clock.is_over = False
        answer = cloud.ok("ChangeEipsBandwidth", eips=[eip], bandwidth=20)
        seen = cloud.one("eip", eip)
        assert (seen["bandwidth"], seen["transition_status"]) == (4, "")
        clock.is_over = True
        assert cloud.job(answer)["status"] == "successful"


def test_address_changes_its_bandwidth_within_the_quota(cloud: CloudUnderTest) -> None:
    eip = make_eip(cloud)
    cloud.done("ChangeEipsBandwidth", eips=[eip], bandwidth=20)
    cloud.done("ChangeEipsBillingMode", eips=[eip], billing_mode="traffic")
    seen = cloud.one("eip", eip)
    assert (seen["bandwidth"], seen["billing_mode"], seen["status"]) == (20, "traffic", "available")
    assert cloud.call("ChangeEipsBandwidth", eips=[eip], bandwidth=10**6)["ret_code"] == 2500


def test_machine_is_resized_while_it_is_stopped(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    assert "is not stopped" in refused(
        cloud, "ResizeInstances", instances=[machine], instance_type="s1.large.r2"
    )
    cloud.done("StopInstances", instances=[machine])
    cloud.done("ResizeInstances", instances=[machine], cpu=4, memory=8192)
    cloud.done("StartInstances", instances=[machine])
    seen = cloud.one("instance", machine)
    assert (seen["vcpus_current"], seen["memory_current"]) == (4, 8192)
    eventually(partial(cloud.machines.is_running, machine))
    assert cloud.machines.specs[machine].vcpus == 4


def test_reset_machine_is_born_again_with_the_new_key(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    key = make_keypair(cloud)
    first = cloud.machines.specs[machine]
    cloud.done("ResetInstances", instances=[machine], login_mode="keypair", login_keypair=key)
    eventually(partial(cloud.machines.is_running, machine))
    assert cloud.machines.specs[machine] is not first
    assert cloud.one("instance", machine)["keypair_ids"] == [key]


def test_key_that_is_deleted_while_it_is_attached_fails_the_job() -> None:
    clock = HeldClock()
    with serve_cloud(replace(PROFILES["instant"], apply_rules=3600.0), clock=clock) as cloud:
        _, vxnet = make_vpc(cloud)
        (machine,) = run_machines(cloud, vxnet)
        cloud.done("StopInstances", instances=[machine])
        key = make_keypair(cloud)
        accepted = cloud.ok("AttachKeyPairs", keypairs=[key], instances=[machine])
        cloud.ok("DeleteKeyPairs", keypairs=[key])
        clock.is_over = True
        job = cloud.job(accepted)
        assert (job["status"], "deleted meanwhile" in job["error_codes"]) == ("failed", True), job
        cloud.done("StartInstances", instances=[machine])


def test_router_that_is_off_publishes_nothing(cloud: CloudUnderTest) -> None:
    network = make_network(cloud, 6443)
    (machine,) = run_machines(cloud, network.vxnet)
    forward(cloud, network, 6443, private_ip(cloud, machine), 6443)
    cloud.done("UpdateRouters", routers=[network.router])
    assert read_port(network.address, 6443) == machine.encode()
    cloud.done("PowerOffRouters", routers=[network.router])
    assert cloud.one("router", network.router)["status"] == "poweroffed"
    with pytest.raises(ConnectionRefusedError):
        read_port(network.address, 6443)
    assert "[poweroffed]" in refused(cloud, "UpdateRouters", routers=[network.router])
    cloud.done("PowerOnRouters", routers=[network.router])
    assert read_port(network.address, 6443) == machine.encode()


def test_private_balancer_with_its_own_address_answers_until_it_is_stopped(
    cloud: CloudUnderTest,
) -> None:
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    balancer = make_balancer(cloud, vxnet)
    listen(cloud, balancer, 8080, [machine])
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    eip = make_eip(cloud)
    cloud.done("AssociateEipsToLoadBalancer", loadbalancer=balancer, eips=[eip])
    seen = cloud.one("loadbalancer", balancer)
    assert [one["eip_id"] for one in seen["eips"]] == [eip]
    address = seen["eips"][0]["eip_addr"]
    assert read_port(address, 8080) == machine.encode()
    cloud.done("StopLoadBalancers", loadbalancers=[balancer])
    with pytest.raises(ConnectionRefusedError):
        read_port(address, 8080)
    cloud.done("ResizeLoadBalancers", loadbalancers=[balancer], loadbalancer_type=2)
    cloud.done("StartLoadBalancers", loadbalancers=[balancer])
    assert read_port(address, 8080) == machine.encode()
    assert cloud.one("loadbalancer", balancer)["loadbalancer_type"] == 2
    cloud.done("DissociateEipsFromLoadBalancer", loadbalancer=balancer, eips=[eip])
    with pytest.raises(ConnectionRefusedError):
        read_port(address, 8080)
    assert cloud.one("eip", eip)["status"] == "available"


def test_public_balancer_reaches_into_a_vpc_and_frees_its_address_at_its_end(
    cloud: CloudUnderTest,
) -> None:
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    eip = make_eip(cloud)
    answer = cloud.done("CreateLoadBalancer", vxnet="vxnet-0", eips=[eip])
    balancer = answer["loadbalancer_id"]
    seen = cloud.one("loadbalancer", balancer)
    assert (seen["vxnet_id"], seen["eips"]) == ("vxnet-0", [])
    assert [one["eip_id"] for one in seen["cluster"]] == [eip]
    listen(cloud, balancer, 8080, [machine])
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    assert read_port(seen["cluster"][0]["eip_addr"], 8080) == machine.encode()
    cloud.done("DeleteLoadBalancers", loadbalancers=[balancer])
    assert cloud.one("eip", eip)["status"] == "available"


def test_taken_port_of_a_balancer_fails_its_update_and_changes_nothing(
    cloud: CloudUnderTest,
) -> None:
    balancer, eip, machine = balancer_with_an_address(cloud)
    address = cloud.one("eip", eip)["eip_addr"]
    with socket.create_server((address, 0)) as other:
        port = other.getsockname()[1]
        listen(cloud, balancer, port, [machine])
        job = cloud.job(cloud.ok("UpdateLoadBalancers", loadbalancers=[balancer]))
        assert job["status"] == "failed"
        assert f"port {port} is taken" in job["error_codes"]
        assert cloud.one("loadbalancer", balancer)["is_applied"] == 0
        cloud.done("StopLoadBalancers", loadbalancers=[balancer])
        cloud.done("StartLoadBalancers", loadbalancers=[balancer])
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    assert read_port(address, port) == machine.encode()


def test_balancer_that_cannot_be_started_stays_stopped(cloud: CloudUnderTest) -> None:
    balancer, eip, machine = balancer_with_an_address(cloud)
    listen(cloud, balancer, 8080, [machine])
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    cloud.done("StopLoadBalancers", loadbalancers=[balancer])
    with socket.create_server((cloud.one("eip", eip)["eip_addr"], 8080)):
        job = cloud.job(cloud.ok("StartLoadBalancers", loadbalancers=[balancer]))
        assert job["status"] == "failed"
        assert cloud.one("loadbalancer", balancer)["status"] == "stopped"
    cloud.done("StartLoadBalancers", loadbalancers=[balancer])


def balancer_with_an_address(cloud: CloudUnderTest) -> tuple[str, str, str]:
    """Make a private balancer with a public address; return both, and a machine beside them."""
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    balancer, eip = make_balancer(cloud, vxnet), make_eip(cloud)
    cloud.done("AssociateEipsToLoadBalancer", loadbalancer=balancer, eips=[eip])
    return balancer, eip, machine


def test_volume_is_attached_grows_and_comes_off_with_its_machine(
    cloud: CloudUnderTest,
) -> None:
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    volumes = cloud.done("CreateVolumes", size=20, count=2, volume_name="data")["volumes"]
    cloud.done("AttachVolumes", volumes=volumes, instance=machine)
    shown = cloud.one("instance", machine)["volumes"]
    assert [one["device"] for one in shown] == ["/dev/vdc", "/dev/vdd"]
    cloud.done("ResizeVolumes", volumes=volumes[:1], size=40)
    grown = cloud.one("volume", volumes[0])
    assert (grown["size"], grown["status"]) == (40, "in-use")
    assert "is not available" in refused(cloud, "DeleteVolumes", volumes=volumes)
    cloud.done("DetachVolumes", volumes=volumes[:1], instance=machine)
    cloud.ok("ModifyVolumeAttributes", volume=volumes[0], volume_name="more")
    cloud.done("TerminateInstances", instances=[machine], direct_cease=1)
    assert cloud.one("volume", volumes[1])["status"] == "available"
    cloud.done("DeleteVolumes", volumes=volumes)
    assert cloud.one("volume", volumes[0])["status"] == "deleted"


def test_eleventh_volume_of_a_machine_is_refused(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    volumes = cloud.done("CreateVolumes", size=10, count=11)["volumes"]
    words = refused(cloud, "AttachVolumes", volumes=volumes, instance=machine)
    assert words == "PermissionDenied, you can only attach [10] volumes to one instance at most"


def test_card_occupies_its_network_until_it_is_deleted(cloud: CloudUnderTest) -> None:
    router, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    wanted = ["192.168.1.50"]
    first, second = cloud.ok("CreateNics", vxnet=vxnet, count=2, private_ips=wanted)["nics"]
    assert first["private_ip"] == "192.168.1.50"
    nics = [first["nic_id"], second["nic_id"]]
    assert cloud.call("CreateNics", vxnet=vxnet, private_ips=wanted)["ret_code"] == 1400
    cloud.done("AttachNics", nics=nics, instance=machine)
    cards = cloud.one("instance", machine)["vxnets"]
    assert [(card["nic_id"], card["role"]) for card in cards[1:]] == [(nic, 0) for nic in nics]
    assert "is attached" in refused(cloud, "DeleteNics", nics=nics)
    cloud.done("TerminateInstances", instances=[machine], direct_cease=1)
    cloud.ok("ModifyNicAttributes", nic=nics[0], private_ip="192.168.1.60")
    assert cloud.one("nic", nics[0])["private_ip"] == "192.168.1.60"
    assert "is used by nic" in refused(cloud, "LeaveRouter", router=router, vxnets=[vxnet])
    cloud.ok("DeleteNics", nics=nics)
    cloud.done("LeaveRouter", router=router, vxnets=[vxnet])


def test_refused_cards_leave_no_address_behind(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    free = cloud.one("vxnet", vxnet)["available_ip_count"]
    wanted = ["192.168.1.50", "10.0.0.1"]
    assert cloud.call("CreateNics", vxnet=vxnet, private_ips=wanted)["ret_code"] == 1400
    assert cloud.one("vxnet", vxnet)["available_ip_count"] == free


def test_failed_update_of_a_router_lets_its_new_address_go(cloud: CloudUnderTest) -> None:
    router, _ = make_vpc(cloud)
    eip = make_eip(cloud)
    cloud.ok("ModifyRouterAttributes", router=router, eip=eip)
    cloud.fault("job-failure", action="UpdateRouters", times=1)
    assert cloud.job(cloud.ok("UpdateRouters", routers=[router]))["status"] == "failed"
    assert cloud.one("eip", eip)["transition_status"] == ""
    cloud.done("UpdateRouters", routers=[router])
    assert cloud.one("eip", eip)["status"] == "associated"


def test_limits_of_the_zone_are_told(cloud: CloudUnderTest) -> None:
    limits = cloud.ok("GetResourceLimit")["resource_limits"]
    assert limits["max_volume_per_inst"] == 10
    assert 4 in limits["valid_cpu_cores"]

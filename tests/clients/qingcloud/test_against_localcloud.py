"""The client against the local cloud's API, over real HTTP: everything is made, seen and unmade."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from clients.qingcloud import QingCloud
from domain.cloud.records import (
    InstanceSpec,
    JobStatus,
    ListenerSpec,
    PortForwardSpec,
    RuleSpec,
    Vpc,
)
from domain.kernel.errors import AccessDenied, NotFound, Refused
from domain.spec.prices import Billing
from tests.iaas_daemon import ACCOUNT, ZONE, IaasDaemon

PUBLIC_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
T = TypeVar("T")


@pytest.fixture
def daemon() -> Iterator[IaasDaemon]:
    with IaasDaemon() as daemon:
        yield daemon


@pytest.fixture
def cloud(daemon: IaasDaemon) -> QingCloud:
    return QingCloud(ZONE, ACCOUNT.key_id, ACCOUNT.secret, daemon.endpoint)


def test_user_of_a_key_owns_its_resources(cloud: QingCloud, daemon: IaasDaemon) -> None:
    assert cloud.read_user() == ACCOUNT.user_id
    cloud.create_tag("mine")
    (tag,) = cloud._transport.read("DescribeTags", {}).items("tag_set")
    assert tag.text("owner") == cloud.read_user()


def eventually(read: Callable[[], T], is_so: Callable[[T], bool]) -> T:
    """Look until it is so, for ten seconds at most."""
    deadline = time.monotonic() + 10
    while not is_so(seen := read()):
        assert time.monotonic() < deadline, f"still {seen}"
        time.sleep(0.005)
    return seen


def done(cloud: QingCloud, job_id: str) -> None:
    [job] = eventually(
        lambda: cloud.read_jobs([job_id]),
        lambda jobs: jobs[0].status not in (JobStatus.PENDING, JobStatus.WORKING),
    )
    assert job.status is JobStatus.SUCCESSFUL, job


def make_vpc(cloud: QingCloud, group_id: str = "") -> Vpc:
    router_id, job_id = cloud.create_vpc("k8s.demo.router", "192.168.0.0/16", group_id)
    done(cloud, job_id)
    return eventually(lambda: cloud.read_vpc(router_id), lambda vpc: vpc.is_settled)


def test_a_vpc_is_created_found_and_deleted(cloud: QingCloud, daemon: IaasDaemon) -> None:
    before = daemon.iaas.count_resources()
    assert cloud.find_vpcs("k8s.demo.router") == []

    vpc = make_vpc(cloud)
    assert cloud.find_vpcs("k8s.demo.router") == [vpc]
    assert cloud.find_vpcs("k8s.demo") == []
    assert vpc.cidr == "192.168.0.0/16"

    done(cloud, cloud.delete_vpc(vpc.id))
    assert cloud.find_vpcs("k8s.demo.router") == []
    with pytest.raises(NotFound):
        cloud.read_vpc(vpc.id)
    assert daemon.iaas.count_resources() == before


def test_offers_of_the_zone_are_read(cloud: QingCloud) -> None:
    assert [zone.id for zone in cloud.list_zones()] == [ZONE]
    image = cloud.list_system_images()[0]
    assert cloud.find_image(image.id) == image
    assert cloud.find_image("none-such") is None
    assert all(kind.memory_mib >= 1024 for kind in cloud.list_instance_types())
    assert cloud.read_quota_left(["instance", "eip"]).keys() == {"instance", "eip"}


def test_whole_network_is_created_and_deleted(cloud: QingCloud, daemon: IaasDaemon) -> None:
    before = daemon.iaas.count_resources()

    group_id = cloud.create_security_group("k8s.demo.firewall")
    rules = [
        RuleSpec("api", "tcp", 18080, 18080, "127.0.0.0/8"),
        RuleSpec("ping", "icmp", None, None, ""),
    ]
    cloud.add_rules(group_id, rules)
    listed = cloud.list_rules(group_id)
    assert [rule.spec for rule in listed] == rules
    assert not cloud.find_security_groups("k8s.demo.firewall")[0].is_applied
    done(cloud, cloud.apply_security_group(group_id))
    assert cloud.find_security_groups("k8s.demo.firewall")[0].is_applied

    vpc = make_vpc(cloud, group_id)
    vxnet_id = cloud.create_vxnet("k8s.demo.vxnet-1")
    done(cloud, cloud.join_router(vxnet_id, vpc.id, "192.168.1.0/24"))
    [vxnet] = cloud.find_vxnets("k8s.demo.vxnet-")
    assert (vxnet.id, vxnet.router_id, vxnet.cidr) == (vxnet_id, vpc.id, "192.168.1.0/24")

    eip_id = cloud.allocate_eip("k8s.demo.eip", 10, Billing.TRAFFIC)
    eventually(lambda: cloud.find_eips("k8s.demo.eip")[0].status, lambda s: s == "available")
    cloud.bind_eip_to_router(vpc.id, eip_id)
    forward = PortForwardSpec("api", 18080, "192.168.1.2", 18080)
    cloud.add_port_forwards(vpc.id, [forward])
    assert not cloud.read_vpc(vpc.id).is_applied
    done(cloud, cloud.update_router(vpc.id))
    [eip] = cloud.find_eips("k8s.demo.eip")
    assert (eip.bound_to, eip.bandwidth_mbps, eip.billing) == (vpc.id, 10, Billing.TRAFFIC)
    [seen] = cloud.list_port_forwards(vpc.id)
    assert seen.spec == forward

    lb_id, job_id = cloud.create_loadbalancer("k8s.demo.lb", vxnet_id, group_id)
    done(cloud, job_id)
    cloud.add_listeners(lb_id, [ListenerSpec("api", 18080)])
    done(cloud, cloud.update_loadbalancer(lb_id))
    [balancer] = cloud.find_loadbalancers("k8s.demo.lb")
    assert balancer.is_settled
    assert balancer.private_ip.startswith("192.168.1.")
    assert [listener.port for listener in cloud.list_listeners(lb_id)] == [18080]

    tag_id = cloud.create_tag("demo")
    cloud.attach_tag(tag_id, [("router", vpc.id), ("vxnet", vxnet_id), ("eip", eip_id)])
    assert [tag.id for tag in cloud.find_tags("demo")] == [tag_id]

    done(cloud, cloud.delete_loadbalancers([lb_id]))
    cloud.delete_port_forwards([seen.id])
    cloud.bind_eip_to_router(vpc.id, "")
    done(cloud, cloud.update_router(vpc.id))
    done(cloud, cloud.leave_router(vpc.id, [vxnet_id]))
    cloud.delete_vxnets([vxnet_id])
    done(cloud, cloud.delete_vpc(vpc.id))
    done(cloud, cloud.release_eips([eip_id]))
    cloud.delete_rules([rule.id for rule in listed])
    cloud.delete_security_groups([group_id])
    cloud.delete_tags([tag_id])
    assert daemon.iaas.count_resources() == before


def test_machines_are_started_served_and_deleted(cloud: QingCloud, daemon: IaasDaemon) -> None:
    before = daemon.iaas.count_resources()
    vpc = make_vpc(cloud)
    vxnet_id = cloud.create_vxnet("k8s.demo.vxnet-1")
    done(cloud, cloud.join_router(vxnet_id, vpc.id, "192.168.1.0/24"))
    group_id = cloud.create_security_group("k8s.demo.machines")
    keypair_id = cloud.create_keypair("k8s.demo.key", f"ssh-ed25519 {PUBLIC_KEY} k8s@demo")
    assert cloud.find_keypairs("k8s.demo.key")[0].public_key == PUBLIC_KEY

    spec = InstanceSpec(
        name="k8s.demo.k8s-node",
        count=3,
        image_id=cloud.list_system_images()[0].id,
        type_id="s1.large.r2",
        disk_gib=40,
        vxnet_id=vxnet_id,
        keypair_id=keypair_id,
        security_group_id=group_id,
        userdata_attachment=cloud.upload_userdata(b"\0" * 10240),
    )
    launch = cloud.run_instances(spec)
    done(cloud, launch.job_id)
    machines = eventually(
        lambda: cloud.find_instances("k8s.demo."),
        lambda machines: all(machine.is_up for machine in machines),
    )
    assert {machine.id for machine in machines} == set(launch.instance_ids)
    assert len({machine.private_ip for machine in machines}) == 3
    for machine in machines:
        assert machine.name == spec.name
        assert (machine.vcpus, machine.memory_mib) == (2, 4096)
        assert machine.vxnet_id == vxnet_id
        assert machine.security_group_id == group_id
        assert machine.keypair_ids == (keypair_id,)

    lb_id, job_id = cloud.create_loadbalancer("k8s.demo.lb", vxnet_id, "")
    done(cloud, job_id)
    cloud.add_listeners(lb_id, [ListenerSpec("api", 18080)])
    [listener] = cloud.list_listeners(lb_id)
    cloud.add_backend(listener.id, "first", machines[0].id, 6443)
    [backend] = cloud.list_backends(lb_id)
    assert (backend.instance_id, backend.port) == (machines[0].id, 6443)
    cloud.delete_backends([backend.id])
    assert cloud.list_backends(lb_id) == []
    done(cloud, cloud.delete_loadbalancers([lb_id]))

    done(cloud, cloud.terminate_instances(launch.instance_ids))
    assert cloud.find_instances("k8s.demo.") == []

    done(cloud, cloud.leave_router(vpc.id, [vxnet_id]))
    cloud.delete_vxnets([vxnet_id])
    done(cloud, cloud.delete_vpc(vpc.id))
    cloud.delete_keypairs([keypair_id])
    cloud.delete_security_groups([group_id])
    after = daemon.iaas.count_resources()
    assert after == before


def test_a_wrong_secret_and_a_wrong_zone_are_refused(daemon: IaasDaemon) -> None:
    with pytest.raises(AccessDenied):
        QingCloud(ZONE, ACCOUNT.key_id, "wrong", daemon.endpoint).list_zones()
    elsewhere = QingCloud("pek3a", ACCOUNT.key_id, ACCOUNT.secret, daemon.endpoint)
    assert [zone.id for zone in elsewhere.list_zones()] == [ZONE]
    with pytest.raises(Refused, match="pek3a"):
        elsewhere.find_vpcs("k8s.demo.router")


def test_absent_resource_is_not_found(cloud: QingCloud) -> None:
    with pytest.raises(NotFound):
        cloud.delete_vpc("rtr-00000000")

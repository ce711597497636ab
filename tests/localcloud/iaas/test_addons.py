"""What QingCloud's own add-ons for Kubernetes ask the cloud for, beside what the product does."""

from tests.localcloud.iaas.cloud_under_test import CloudUnderTest
from tests.localcloud.iaas.network_under_test import make_eip, make_vpc, run_machines


def test_volume_comes_from_a_snapshot_of_one_that_is_in_use(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    (volume,) = cloud.done("CreateVolumes", size=20, volume_name="pvc-1", volume_type=200)[
        "volumes"
    ]
    cloud.done("AttachVolumes", volumes=[volume], instance=machine)
    (taken,) = cloud.done("CreateSnapshots", resources=[volume], snapshot_name="s", is_full=1)[
        "snapshots"
    ]
    (seen,) = cloud.ok("DescribeSnapshots", snapshot_name="s", verbose=1)["snapshot_set"]
    assert (seen["snapshot_id"], seen["status"], seen["size"]) == (taken, "available", 20 * 1024)
    assert seen["resource"]["resource_id"] == volume
    assert seen["snapshot_resource"]["size"] == 20
    made = cloud.done("CreateVolumeFromSnapshot", snapshot=taken, volume_name="pvc-2")["volume_id"]
    volume_made = cloud.one("volume", made)
    assert (volume_made["size"], volume_made["volume_type"]) == (20, 200)
    assert volume_made["status"] == "available"
    cloud.done("DeleteSnapshots", snapshots=[taken])
    assert cloud.one("snapshot", taken)["status"] == "deleted"
    assert cloud.call("CreateVolumeFromSnapshot", snapshot=taken)["ret_code"] == 2100


def test_clone_has_the_size_and_the_type_of_its_source(cloud: CloudUnderTest) -> None:
    (volume,) = cloud.done("CreateVolumes", size=30, volume_name="a", volume_type=100)["volumes"]
    (clone,) = cloud.done("CloneVolumes", volume=volume, volume_name="b", count=1)["volumes"]
    seen = cloud.one("volume", clone)
    assert (seen["volume_name"], seen["size"], seen["volume_type"]) == ("b", 30, 100)


def test_public_balancer_shows_an_address_of_the_balancers_own_segment(
    cloud: CloudUnderTest,
) -> None:
    made = cloud.done("CreateLoadBalancer", eips=[make_eip(cloud)], loadbalancer_name="b")
    seen = cloud.one("loadbalancer", made["loadbalancer_id"])
    assert [one.startswith("198.19.") for one in seen["private_ips"]] == [True]


def test_listener_of_udp_is_kept_in_the_books(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    balancer = cloud.done("CreateLoadBalancer", vxnet=vxnet)["loadbalancer_id"]
    udp = {
        "listener_port": 8053,
        "listener_protocol": "udp",
        "backend_protocol": "udp",
        "healthy_check_method": "udp",
    }
    cloud.ok("AddLoadBalancerListeners", loadbalancer=balancer, listeners=[udp])
    cloud.done("UpdateLoadBalancers", loadbalancers=[balancer])
    (seen,) = cloud.ok("DescribeLoadBalancerListeners", loadbalancer=balancer)[
        "loadbalancer_listener_set"
    ]
    assert (seen["listener_protocol"], seen["healthy_check_method"]) == ("udp", "udp")

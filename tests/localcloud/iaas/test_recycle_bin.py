"""Deleted resources can be read by id, cease after two hours, and are forgotten later."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.localcloud.iaas.cloud_under_test import (
    CloudUnderTest,
    HeldClock,
    eventually,
    serve_cloud,
)
from tests.localcloud.iaas.network_under_test import make_balancer, make_vpc, run_machines

DAYS_BACK = timedelta(days=3)
"""How far the clock starts behind: requests may be signed in the future, but not in the past."""


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock(DAYS_BACK)


@pytest.fixture
def cloud(clock: HeldClock) -> Iterator[CloudUnderTest]:
    with serve_cloud(clock=clock) as served:
        yield served


def delete_all_kinds(cloud: CloudUnderTest) -> dict[str, str]:
    """Delete a machine, a balancer, a volume and an image; return their ids by their nouns."""
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    balancer = make_balancer(cloud, vxnet)
    (volume,) = cloud.done("CreateVolumes", size=10)["volumes"]
    cloud.done("StopInstances", instances=[machine])
    image = cloud.done("CaptureInstance", instance=machine)["image_id"]
    cloud.done("DeleteImages", images=[image])
    cloud.done("TerminateInstances", instances=[machine])
    cloud.done("DeleteLoadBalancers", loadbalancers=[balancer])
    cloud.done("DeleteVolumes", volumes=[volume])
    return {"instance": machine, "loadbalancer": balancer, "volume": volume, "image": image}


def statuses(cloud: CloudUnderTest, deleted: dict[str, str]) -> dict[str, Any]:
    return {noun: cloud.one(noun, one)["status"] for noun, one in deleted.items()}


def test_deleted_things_cease_after_two_hours(cloud: CloudUnderTest, clock: HeldClock) -> None:
    deleted = delete_all_kinds(cloud)
    in_bin = dict.fromkeys(deleted, "deleted") | {"instance": "terminated"}
    clock.behind -= timedelta(hours=1, minutes=58)
    assert statuses(cloud, deleted) == in_bin
    assert cloud.machines.specs
    assert cloud.machines.captured
    clock.behind -= timedelta(minutes=3)
    assert statuses(cloud, deleted) == dict.fromkeys(deleted, "ceased")
    eventually(lambda: not cloud.machines.specs and not cloud.machines.captured)
    assert cloud.ok("DescribeInstances")["instance_set"] == []


def test_bin_of_an_earlier_process_is_emptied(tmp_path: Path) -> None:
    with serve_cloud(clock=HeldClock(DAYS_BACK), file=tmp_path / "cloud.db") as cloud:
        deleted = delete_all_kinds(cloud)
    later = HeldClock(DAYS_BACK - timedelta(hours=3))
    with serve_cloud(clock=later, file=tmp_path / "cloud.db") as cloud:
        assert statuses(cloud, deleted) == dict.fromkeys(deleted, "ceased")


def test_resource_ceased_by_a_call_is_left_alone(cloud: CloudUnderTest, clock: HeldClock) -> None:
    deleted = delete_all_kinds(cloud)
    cloud.done("CeaseInstances", instances=[deleted["instance"]])
    ceased_at = cloud.one("instance", deleted["instance"])["status_time"]
    clock.behind -= timedelta(hours=3)
    assert cloud.one("instance", deleted["instance"])["status_time"] == ceased_at


def test_resource_that_ceased_a_day_ago_is_forgotten_with_its_jobs(
    cloud: CloudUnderTest, clock: HeldClock
) -> None:
    deleted = delete_all_kinds(cloud)
    tag = cloud.ok("CreateTag", tag_name="stays")["tag_id"]
    clock.behind -= timedelta(hours=3)
    assert cloud.ok("DescribeJobs")["total_count"] > 0
    assert statuses(cloud, deleted) == dict.fromkeys(deleted, "ceased")
    clock.behind -= timedelta(days=1)
    assert cloud.ok("DescribeJobs")["total_count"] == 0
    gone = partial(cloud.ok, "DescribeInstances", instances=[deleted["instance"]])
    assert gone()["instance_set"] == []
    assert cloud.one("tag", tag)["tag_name"] == "stays"

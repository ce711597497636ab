"""Disks of stopped machines become images, from which others are made."""

from dataclasses import replace
from functools import partial
from typing import Any

from localcloud.profiles import PROFILES
from tests.localcloud.iaas.cloud_under_test import (
    IMAGE,
    CloudUnderTest,
    HeldClock,
    eventually,
    serve_cloud,
)
from tests.localcloud.iaas.network_under_test import (
    machine_request,
    make_keypair,
    make_vpc,
    run_machines,
)


def make_stopped_machine(cloud: CloudUnderTest, **changes: Any) -> str:
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet, **changes)
    cloud.done("StopInstances", instances=[machine])
    return machine


def images(cloud: CloudUnderTest, **filters: Any) -> list[str]:
    return [one["image_id"] for one in cloud.ok("DescribeImages", **filters)["image_set"]]


def test_captured_machine_is_an_image_of_one_s_own_until_it_is_deleted(
    cloud: CloudUnderTest,
) -> None:
    machine = make_stopped_machine(cloud, os_disk_size=50)
    image = cloud.done("CaptureInstance", instance=machine, image_name="golden")["image_id"]
    seen = cloud.one("image", image)
    assert (seen["status"], seen["provider"], seen["visibility"]) == (
        "available",
        "self",
        "private",
    )
    assert (seen["size"], seen["os_family"], seen["default_user"]) == (50, "ubuntu", "root")
    assert images(cloud, provider="self") == [image]
    assert images(cloud, search_word="GOLD") == [image]
    assert image not in images(cloud, provider="system")
    cloud.ok("ModifyImageAttributes", image=image, image_name="plain", description="words")
    assert cloud.one("image", image)["image_name"] == "plain"
    cloud.done("DeleteImages", images=[image])
    assert cloud.one("image", image)["status"] == "deleted"
    assert images(cloud, provider="self", status=["available"]) == []
    assert "image" not in cloud.iaas.count_resources()


def test_machine_is_made_from_a_captured_one(cloud: CloudUnderTest) -> None:
    machine = make_stopped_machine(cloud)
    image = cloud.done("CaptureInstance", instance=machine)["image_id"]
    assert cloud.machines.captured == {image: machine}
    cloud.done("TerminateInstances", instances=[machine], direct_cease=1)
    _, vxnet = make_vpc(cloud)
    (child,) = run_machines(cloud, vxnet, image_id=image)
    eventually(partial(cloud.machines.is_running, child))
    spec = cloud.machines.specs[child]
    assert (spec.image_id, spec.os_id) == (image, "ubuntu")
    assert cloud.one("instance", child)["image"]["provider"] == "self"
    assert cloud.one("image", image)["instance_ids"] == [child]
    refusal = cloud.call("DeleteImages", images=[image])
    assert (refusal["ret_code"], "is used by instance" in refusal["message"]) == (1400, True)
    cloud.done("TerminateInstances", instances=[child])
    cloud.done("DeleteImages", images=[image])
    assert cloud.one("instance", child)["image"]["image_id"] == image
    request = machine_request(make_keypair(cloud), image_id=image)
    assert cloud.call("RunInstances", **request)["ret_code"] == 2100


def test_only_a_machine_that_is_stopped_is_captured(cloud: CloudUnderTest) -> None:
    _, vxnet = make_vpc(cloud)
    (machine,) = run_machines(cloud, vxnet)
    refusal = cloud.call("CaptureInstance", instance=machine)
    assert refusal["ret_code"] == 1400
    assert "is not stopped, can not be captured" in refusal["message"]


def test_image_that_is_not_finished_cannot_be_used() -> None:
    clock = HeldClock()
    with serve_cloud(replace(PROFILES["instant"], capture_image=3600.0), clock=clock) as cloud:
        machine = make_stopped_machine(cloud)
        cloud.fault("job-failure", action="CaptureInstance", times=1)
        answer = cloud.ok("CaptureInstance", instance=machine)
        seen = cloud.one("image", answer["image_id"])
        assert (seen["status"], seen["transition_status"]) == ("pending", "creating")
        request = machine_request(make_keypair(cloud), image_id=answer["image_id"])
        assert cloud.call("RunInstances", **request)["ret_code"] == 1400
        clock.is_over = True
        assert cloud.job(answer)["status"] == "failed"
        assert cloud.one("image", answer["image_id"])["status"] == "ceased"
        assert cloud.call("RunInstances", **request)["ret_code"] == 2100


def test_images_of_the_zone_are_left_alone(cloud: CloudUnderTest) -> None:
    for action, body in (
        ("DeleteImages", {"images": [IMAGE]}),
        ("ModifyImageAttributes", {"image": IMAGE}),
    ):
        refusal = cloud.call(action, **body)
        assert (refusal["ret_code"], "belongs to the zone" in refusal["message"]) == (1400, True)

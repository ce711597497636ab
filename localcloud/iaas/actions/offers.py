"""What there is to choose from: zones, images, instance types."""

from localcloud.clock import stamp
from localcloud.iaas.answers import Document, page
from localcloud.iaas.catalog import IMAGES, INSTANCE_TYPES, REGION, Image, InstanceType
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.parameters import Parameters


def describe_zones(cloud: Cloud, parameters: Parameters) -> Document:
    wanted = parameters.texts("zones") or [cloud.zone]
    statuses = parameters.texts("status") or ["active"]
    zones = [cloud.zone] if cloud.zone in wanted and "active" in statuses else []
    return page(
        parameters,
        "zone_set",
        zones,
        lambda zone: {"zone_id": zone, "status": "active", "region_id": REGION},
    )


def describe_images(cloud: Cloud, parameters: Parameters) -> Document:
    """List system images; this zone has no others."""
    wanted, statuses = parameters.texts("images"), parameters.texts("status")
    word = parameters.text("search_word").lower()
    family = parameters.text("os_family")
    foreign = (
        parameters.text("provider", "system") != "system"
        or parameters.text("visibility", "public") != "public"
        or parameters.text("processor_type", "64bit") != "64bit"
        or (statuses and "available" not in statuses)
    )
    found = [
        image
        for image in IMAGES.values()
        if not foreign
        and (not wanted or image.id in wanted)
        and (not family or image.os_family == family)
        and word in f"{image.id} {image.name}".lower()
    ]
    return page(parameters, "image_set", found, lambda image: _image(cloud, image))


def _image(cloud: Cloud, image: Image) -> Document:
    born = stamp(cloud.state.vxnets["vxnet-0"].created_at)
    return {
        "image_id": image.id,
        "image_name": image.name,
        "description": "",
        "size": image.disk_gib,
        "processor_type": "64bit",
        "platform": "linux",
        "os_family": image.os_family,
        "visibility": "public",
        "provider": "system",
        "owner": "system",
        "recommended_type": "s1.small.r2",
        "status": "available",
        "transition_status": "",
        "create_time": born,
        "status_time": born,
        "sub_code": 0,
        "default_user": image.login_user,
        "default_passwd": "",
        "ui_type": "tui",
        "features": 0,
        "instance_ids": [],
    }


def describe_instance_types(cloud: Cloud, parameters: Parameters) -> Document:
    wanted = parameters.texts("instance_types")
    found = [kind for kind in INSTANCE_TYPES.values() if not wanted or kind.id in wanted]
    return page(parameters, "instance_type_set", found, lambda kind: _instance_type(cloud, kind))


def _instance_type(cloud: Cloud, kind: InstanceType) -> Document:
    return {
        "instance_type_id": kind.id,
        "instance_type_name": kind.id,
        "vcpus_current": kind.vcpus,
        "memory_current": kind.memory_mib,
        "status": kind.status,
        "zone_id": cloud.zone,
        "description": "",
    }


ACTIONS = {
    "DescribeZones": describe_zones,
    "DescribeImages": describe_images,
    "DescribeInstanceTypes": describe_instance_types,
}

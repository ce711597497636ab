"""Zones and instance types on offer."""

from localcloud.iaas.answers import Document, page
from localcloud.iaas.catalog import INSTANCE_TYPES, REGION, InstanceType
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
    "DescribeInstanceTypes": describe_instance_types,
}

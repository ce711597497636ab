"""Resize and reset instances."""

from localcloud.iaas import quotas
from localcloud.iaas.actions.instances import come_up, require_stock
from localcloud.iaas.actions.keypairs import require_exists
from localcloud.iaas.actions.running import LARGEST_DISK_GIB, read_login, read_size
from localcloud.iaas.answers import Document
from localcloud.iaas.catalog import InstanceType
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter
from localcloud.iaas.lifecycle import Step, begin
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import Instance

RESIZE = Step(("stopped",), "updating", "", "change_instance", "is not stopped, can not be resized")
RESET = Step(("running", "stopped"), "resetting", "", "change_instance")


def resize_instances(cloud: Cloud, parameters: Parameters) -> Document:
    """Resize stopped instances, from their next start; disks only grow."""
    instances = cloud.state.instances.read_all(parameters.required_texts("instances"))
    asks_for_size = any(parameters.integer(n, 0) for n in ("cpu", "memory"))
    disk_gib = parameters.integer("os_disk_size", 0, high=LARGEST_DISK_GIB)
    size = None
    if asks_for_size or parameters.text("instance_type") or not disk_gib:
        size = read_size(cloud, parameters)
        require_stock(cloud, size.id)
        _require_quota(cloud, instances, size)
    for instance in instances:
        if 0 < disk_gib < instance.disk_gib:
            raise BadParameter(f"os_disk_size [{disk_gib}] is less than [{instance.disk_gib}]")

    async def resize(instance: Instance) -> None:
        instance.disk_gib = disk_gib or instance.disk_gib
        if size is not None:
            instance.type_id, instance.instance_class = size.id, size.instance_class
            instance.vcpus, instance.memory_mib = size.vcpus, size.memory_mib

    return {"job_id": begin(cloud, "ResizeInstances", instances, RESIZE, resize)}


def _require_quota(cloud: Cloud, instances: list[Instance], size: InstanceType) -> None:
    quotas.require(
        cloud,
        cpu=sum(size.vcpus - instance.vcpus for instance in instances),
        memory=sum(size.memory_mib - instance.memory_mib for instance in instances),
    )


def reset_instances(cloud: Cloud, parameters: Parameters) -> Document:
    """Reset disks to the image, with a new key where one is given."""
    instances = cloud.state.instances.read_all(parameters.required_texts("instances"))
    keypair_ids = read_login(cloud, parameters)

    async def reset(instance: Instance) -> None:
        require_exists(cloud, keypair_ids)
        await cloud.power.destroy(instance.id)
        instance.keypair_ids = [*keypair_ids]
        if instance.status == "running":
            come_up(cloud, instance)

    return {"job_id": begin(cloud, "ResetInstances", instances, RESET, reset)}


ACTIONS = {"ResizeInstances": resize_instances, "ResetInstances": reset_instances}

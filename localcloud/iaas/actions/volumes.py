"""Additional disks. Only their records are kept: no machine sees them."""

from collections.abc import Sequence

from localcloud.iaas import quotas
from localcloud.iaas.actions.instances import volumes_of
from localcloud.iaas.answers import Document, common, describe, life, rename
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter, PermissionDenied
from localcloud.iaas.lifecycle import Step, begin, continues, require, require_settled
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import PENDING, Instance, Volume

CREATE = Step((), "creating", "available", "change_volume")
ATTACH = Step(
    ("available",), "attaching", "in-use", "change_volume", "is not available, can not be attached"
)
DETACH = Step(
    ("in-use",), "detaching", "available", "change_volume", "is not in use, can not be detached"
)
RESIZE = Step(
    ("available", "in-use"),
    "updating",
    "",
    "resize_volume",
    "is not available, can not be resized",
)
DELETE = Step(
    ("available",),
    "deleting",
    "deleted",
    "change_volume",
    "is not available, can not be deleted",
    needs_lease=True,
)
SMALLEST_GIB, LARGEST_GIB = 10, 5000
LARGEST_TYPE = 200
MOST_OF_INSTANCE = 10


def create_volumes(cloud: Cloud, parameters: Parameters) -> Document:
    size = parameters.required_integer("size", low=SMALLEST_GIB, high=LARGEST_GIB)
    count = parameters.integer("count", 1, low=1)
    kind = parameters.integer("volume_type", 0, high=LARGEST_TYPE)
    quotas.require(cloud, volume=count, volume_size=count * size)
    volumes = [
        cloud.state.volumes.add(
            Volume(
                id=cloud.new_id("vol"),
                name=parameters.text("volume_name"),
                created_at=cloud.now(),
                status=PENDING,
                type=kind,
                size_gib=size,
            )
        )
        for _ in range(count)
    ]
    job_id = _set_up(cloud, volumes)
    return {"volumes": [volume.id for volume in volumes], "job_id": job_id}


def _set_up(cloud: Cloud, volumes: Sequence[Volume]) -> str:
    async def create(volume: Volume) -> None:
        pass

    return begin(cloud, "CreateVolumes", volumes, CREATE, create)


@continues("CreateVolumes")
def _set_up_again(cloud: Cloud, unfinished: Sequence[str], parameters: Parameters) -> str:
    return _set_up(cloud, [cloud.state.volumes[one] for one in unfinished])


def describe_volumes(cloud: Cloud, parameters: Parameters) -> Document:
    user, kind = parameters.text("instance_id"), parameters.text("volume_type")
    found = [
        volume
        for volume in cloud.state.volumes.values()
        if user in ("", volume.instance_id) and kind in ("", str(volume.type))
    ]
    return describe(cloud, parameters, found, lambda volume: document(cloud, volume), "volume")


def document(cloud: Cloud, volume: Volume) -> Document:
    instance = cloud.state.instances.get(volume.instance_id)
    user = {
        "instance_id": volume.instance_id,
        "instance_name": instance.name if instance else "",
        "device": volume.device,
    }
    return (
        common(cloud, volume, "volume")
        | life(volume)
        | {
            "volume_type": volume.type,
            "size": volume.size_gib,
            "instance": user,
            "instances": [user] if instance else [],
            "device": volume.device,
            "lastest_snapshot_time": None,  # spelt so
        }
    )


def modify_volume_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    volume = cloud.state.volumes.read(parameters.required_text("volume"))
    rename(parameters, volume, "volume")
    return {"volume_id": volume.id}


def attach_volumes(cloud: Cloud, parameters: Parameters) -> Document:
    volumes = cloud.state.volumes.read_all(parameters.required_texts("volumes"))
    instance = cloud.state.instances.read(parameters.required_text("instance"))
    require_settled(instance)
    if instance.status not in ("running", "stopped"):
        raise PermissionDenied(f"instance [{instance.id}] is [{instance.status}]")
    if len(volumes_of(cloud, instance)) + len(volumes) > MOST_OF_INSTANCE:
        raise PermissionDenied(
            f"you can only attach [{MOST_OF_INSTANCE}] volumes to one instance at most"
        )
    for volume in volumes:
        require(cloud, volume, ATTACH)
    for volume in volumes:
        volume.instance_id, volume.device = instance.id, _free_device(cloud, instance)
    return {"job_id": _plug_in(cloud, volumes)}


def _plug_in(cloud: Cloud, volumes: Sequence[Volume]) -> str:
    async def attach(volume: Volume) -> None:
        pass

    def give_up(volume: Volume) -> None:
        volume.instance_id = volume.device = ""

    return begin(cloud, "AttachVolumes", volumes, ATTACH, attach, give_up)


@continues("AttachVolumes")
def _plug_in_again(cloud: Cloud, unfinished: Sequence[str], parameters: Parameters) -> str:
    return _plug_in(cloud, [cloud.state.volumes[one] for one in unfinished])


def _free_device(cloud: Cloud, instance: Instance) -> str:
    taken = {volume.device for volume in volumes_of(cloud, instance)}
    return next(d for letter in "cdefghijklmnop" if (d := f"/dev/vd{letter}") not in taken)


def detach_volumes(cloud: Cloud, parameters: Parameters) -> Document:
    volumes = cloud.state.volumes.read_all(parameters.required_texts("volumes"))
    instance = cloud.state.instances.read(parameters.required_text("instance"))
    for volume in volumes:
        if volume.instance_id not in ("", instance.id):
            raise PermissionDenied(
                f"volume [{volume.id}] is not attached to instance [{instance.id}]"
            )

    async def detach(volume: Volume) -> None:
        volume.instance_id = volume.device = ""

    return {"job_id": begin(cloud, "DetachVolumes", volumes, DETACH, detach)}


def resize_volumes(cloud: Cloud, parameters: Parameters) -> Document:
    """Enlarge volumes; they never shrink."""
    volumes = cloud.state.volumes.read_all(parameters.required_texts("volumes"))
    size = parameters.required_integer("size", low=SMALLEST_GIB, high=LARGEST_GIB)
    for volume in volumes:
        if size < volume.size_gib:
            raise BadParameter(f"size [{size}] is less than [{volume.size_gib}] of [{volume.id}]")
    quotas.require(cloud, volume_size=sum(size - volume.size_gib for volume in volumes))

    async def resize(volume: Volume) -> None:
        volume.size_gib = size

    return {"job_id": begin(cloud, "ResizeVolumes", volumes, RESIZE, resize)}


def delete_volumes(cloud: Cloud, parameters: Parameters) -> Document:
    volumes = cloud.state.volumes.read_all(parameters.required_texts("volumes"))

    async def delete(volume: Volume) -> None:
        cloud.state.drop_tags(volume)

    job_id = begin(cloud, "DeleteVolumes", volumes, DELETE, delete)
    return {"volumes": [volume.id for volume in volumes], "job_id": job_id}


ACTIONS = {
    "CreateVolumes": create_volumes,
    "DescribeVolumes": describe_volumes,
    "ModifyVolumeAttributes": modify_volume_attributes,
    "AttachVolumes": attach_volumes,
    "DetachVolumes": detach_volumes,
    "ResizeVolumes": resize_volumes,
    "DeleteVolumes": delete_volumes,
}

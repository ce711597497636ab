"""Snapshots of volumes, and volumes made from snapshots and from other volumes.

No data is kept. What the answers hold is what QingCloud's CSI driver reads of them.
"""

from collections.abc import Sequence

from localcloud.clock import stamp
from localcloud.iaas import quotas
from localcloud.iaas.answers import Document, common, describe, life
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.lifecycle import Step, begin, continues, require, require_settled
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import PENDING, Snapshot, Volume

TAKE = Step((), "creating", "available", "change_volume")
CLONE = Step((), "creating", "available", "change_volume")
DROP = Step(("available",), "deleting", "deleted", "change_volume", needs_lease=True)
USE = Step(
    ("available",),
    "",
    "",
    "change_volume",
    "is not available, can not create volume from it",
)
MIB_IN_GIB = 1024


def create_snapshots(cloud: Cloud, parameters: Parameters) -> Document:
    """Take a snapshot of each volume, attached or not."""
    volumes = cloud.state.volumes.read_all(parameters.required_texts("resources"))
    for volume in volumes:
        require_settled(volume)
    snapshots = [
        cloud.state.snapshots.add(
            Snapshot(
                id=cloud.new_id("ss"),
                name=parameters.text("snapshot_name"),
                created_at=cloud.now(),
                status=PENDING,
                volume_id=volume.id,
                size_gib=volume.size_gib,
                volume_type=volume.type,
                is_full=bool(parameters.integer("is_full", 0, high=1)),
            )
        )
        for volume in volumes
    ]
    return {"snapshots": [one.id for one in snapshots], "job_id": _take(cloud, snapshots)}


def _take(cloud: Cloud, snapshots: Sequence[Snapshot]) -> str:
    async def take(snapshot: Snapshot) -> None:
        pass

    return begin(cloud, "CreateSnapshots", snapshots, TAKE, take)


@continues("CreateSnapshots")
def _take_again(cloud: Cloud, unfinished: Sequence[str], parameters: Parameters) -> str:
    return _take(cloud, [cloud.state.snapshots[one] for one in unfinished])


def describe_snapshots(cloud: Cloud, parameters: Parameters) -> Document:
    resource, name = parameters.text("resource_id"), parameters.text("snapshot_name")
    found = [
        one
        for one in cloud.state.snapshots.values()
        if resource in ("", one.volume_id) and name in ("", one.name)
    ]
    return describe(cloud, parameters, found, lambda one: document(cloud, one), "snapshot")


def document(cloud: Cloud, snapshot: Snapshot) -> Document:
    volume = cloud.state.volumes.get(snapshot.volume_id)
    return (
        common(cloud, snapshot, "snapshot")
        | life(snapshot)
        | {
            "snapshot_type": int(snapshot.is_full),
            "snapshot_time": stamp(snapshot.created_at),
            "is_taken": int(snapshot.status == "available"),
            "is_head": 1,
            "root_id": snapshot.id,
            "parent_id": "self",
            "size": snapshot.size_gib * MIB_IN_GIB,
            "total_size": snapshot.size_gib * MIB_IN_GIB,
            "resource": {
                "resource_id": snapshot.volume_id,
                "resource_name": volume.name if volume else "",
                "resource_type": "volume",
            },
            "snapshot_resource": {
                "size": snapshot.size_gib,
                "volume_type": snapshot.volume_type,
            },
        }
    )


def delete_snapshots(cloud: Cloud, parameters: Parameters) -> Document:
    snapshots = cloud.state.snapshots.read_all(parameters.required_texts("snapshots"))

    async def drop(snapshot: Snapshot) -> None:
        cloud.state.drop_tags(snapshot)

    return {"job_id": begin(cloud, "DeleteSnapshots", snapshots, DROP, drop)}


def create_volume_from_snapshot(cloud: Cloud, parameters: Parameters) -> Document:
    snapshot = cloud.state.snapshots.read(parameters.required_text("snapshot"))
    require(cloud, snapshot, USE)
    (volume,) = _new_volumes(cloud, parameters, snapshot.volume_type, snapshot.size_gib, 1)
    job_id = _copy(cloud, "CreateVolumeFromSnapshot", [volume])
    return {"volume_id": volume.id, "job_id": job_id}


def clone_volumes(cloud: Cloud, parameters: Parameters) -> Document:
    source = cloud.state.volumes.read(parameters.required_text("volume"))
    require_settled(source)
    kind = parameters.integer("volume_type", source.type)
    count = parameters.integer("count", 1, low=1)
    volumes = _new_volumes(cloud, parameters, kind, source.size_gib, count)
    job_id = _copy(cloud, "CloneVolumes", volumes)
    return {"volumes": [volume.id for volume in volumes], "job_id": job_id}


def _new_volumes(
    cloud: Cloud, parameters: Parameters, kind: int, size_gib: int, count: int
) -> list[Volume]:
    quotas.require(cloud, volume=count, volume_size=count * size_gib)
    return [
        cloud.state.volumes.add(
            Volume(
                id=cloud.new_id("vol"),
                name=parameters.text("volume_name"),
                created_at=cloud.now(),
                status=PENDING,
                type=kind,
                size_gib=size_gib,
            )
        )
        for _ in range(count)
    ]


def _copy(cloud: Cloud, action: str, volumes: Sequence[Volume]) -> str:
    async def copy(volume: Volume) -> None:
        pass

    return begin(cloud, action, volumes, CLONE, copy)


@continues("CreateVolumeFromSnapshot")
def _create_again(cloud: Cloud, unfinished: Sequence[str], parameters: Parameters) -> str:
    volumes = [cloud.state.volumes[one] for one in unfinished]
    return _copy(cloud, "CreateVolumeFromSnapshot", volumes)


@continues("CloneVolumes")
def _clone_again(cloud: Cloud, unfinished: Sequence[str], parameters: Parameters) -> str:
    return _copy(cloud, "CloneVolumes", [cloud.state.volumes[one] for one in unfinished])


ACTIONS = {
    "CreateSnapshots": create_snapshots,
    "DescribeSnapshots": describe_snapshots,
    "DeleteSnapshots": delete_snapshots,
    "CreateVolumeFromSnapshot": create_volume_from_snapshot,
    "CloneVolumes": clone_volumes,
}

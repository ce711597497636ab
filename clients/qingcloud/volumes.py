"""Volumes, and network cards beside the first one of a machine."""

from collections.abc import Sequence

from clients.qingcloud.calls import Calls
from clients.qingcloud.reply import Item
from clients.qingcloud.transport import some
from domain.cloud.records import Nic, Volume

LIVING = ("pending", "available", "in-use", "suspended")


class VolumeCalls(Calls):
    def search_volumes(self, prefix: str) -> list[Volume]:
        """Find the volumes whose names have a prefix."""
        items = self._search("DescribeVolumes", "volume", prefix, status=LIVING)
        return [_volume(item) for item in items]

    def read_volumes(self, volume_ids: Sequence[str]) -> list[Volume]:
        """Read the volumes with these ids that are not deleted."""
        items = self._read("DescribeVolumes", "volume_set", "volumes", volume_ids, status=LIVING)
        return [_volume(item) for item in items]

    def delete_volumes(self, volume_ids: Sequence[str]) -> str:
        """Delete volumes that are attached to no machine. Returns: the job."""
        return self._start("DeleteVolumes", volumes=some(volume_ids))


class NicCalls(Calls):
    def list_nics(self, vxnet_ids: Sequence[str]) -> list[Nic]:
        """Read the network cards in these vxnets."""
        items = self._list("DescribeNics", "nic_set", vxnets=some(vxnet_ids))
        return [_nic(item) for item in items]


def _volume(item: Item) -> Volume:
    return Volume(
        id=item.text("volume_id"),
        name=item.optional_text("volume_name"),
        size_gib=item.number("size"),
        instance_id=item.optional_item("instance").optional_text("instance_id"),
        created_at=item.moment("create_time"),
    )


def _nic(item: Item) -> Nic:
    return Nic(
        id=item.text("nic_id"),
        name=item.optional_text("nic_name"),
        vxnet_id=item.optional_text("vxnet_id"),
        instance_id=item.optional_text("instance_id"),
    )

"""The zone's offers: zones, images, instance types, and the remaining quota."""

from collections.abc import Sequence

from clients.qingcloud.calls import Calls
from clients.qingcloud.reply import Item
from domain.cloud.records import Image, InstanceType, Zone


class ImageCalls(Calls):
    def list_zones(self) -> list[Zone]:
        """Read all zones of the cloud, also when the client's zone does not exist."""
        items = self._list("DescribeZones", "zone_set", zone=None)
        return [Zone(item.text("zone_id"), item.text("status")) for item in items]

    def list_system_images(self) -> list[Image]:
        """Read the cloud's own 64-bit images that are available."""
        items = self._list(
            "DescribeImages",
            "image_set",
            provider="system",
            processor_type="64bit",
            status=["available"],
        )
        return [_image(item) for item in items]

    def find_image(self, image_id: str) -> Image | None:
        """Read one image, of any provider and status."""
        if not image_id:
            return None
        items = self._read("DescribeImages", "image_set", "images", [image_id])
        return next((_image(item) for item in items), None)

    def list_instance_types(self) -> list[InstanceType]:
        """Read the instance types of the zone, deprecated ones included."""
        items = self._list("DescribeInstanceTypes", "instance_type_set")
        return [_instance_type(item) for item in items]

    def read_quota_left(self, kinds: Sequence[str]) -> dict[str, int]:
        """Read the remaining quota by kind (`instance`, `eip`, `cpu` …)."""
        if not kinds:
            return {}
        reply = self._transport.read("GetQuotaLeft", {"resource_types": list(kinds)})
        items = reply.items("quota_left_set")
        return {item.text("resource_type"): item.number("left") for item in items}


def _image(item: Item) -> Image:
    return Image(
        id=item.text("image_id"),
        name=item.optional_text("image_name"),
        os_family=item.optional_text("os_family"),
        status=item.text("status"),
        disk_gib=item.number("size"),
        login_user=item.optional_text("default_user", "root"),
    )


def _instance_type(item: Item) -> InstanceType:
    return InstanceType(
        id=item.text("instance_type_id"),
        vcpus=item.number("vcpus_current"),
        memory_mib=item.number("memory_current"),
        status=item.text("status"),
    )

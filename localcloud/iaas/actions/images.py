"""Images: the zone's, and the account's own, captured from stopped instances."""

from collections.abc import Iterator, Sequence

from localcloud.clock import stamp
from localcloud.iaas import quotas
from localcloud.iaas.answers import Document, common, life, page, rename, select
from localcloud.iaas.catalog import IMAGES, Image
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import JobFailure, PermissionDenied, ResourceNotFound
from localcloud.iaas.lifecycle import Step, begin, continues, require_settled
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import PENDING, Instance, OwnImage
from localcloud.iaas.state import BASIC_VXNET

CREATE = Step((), "creating", "available", "capture_image")
DELETE = Step(("available",), "deleting", "deleted", "change_volume")
FILTERS = ("provider", "visibility", "processor_type", "os_family")


def find_image(cloud: Cloud, image_id: str) -> Image | None:
    """Find an image, also a deleted one."""
    if own := cloud.state.images.get(image_id):
        return Image(
            own.id,
            own.name,
            own.os_family,
            own.os_id,
            own.os_version,
            own.login_user,
            own.disk_gib,
            provider="self",
        )
    return IMAGES.get(image_id)


def image_of(cloud: Cloud, instance: Instance) -> Image:
    """Return the image of an instance; it is known for as long as the instance is."""
    image = find_image(cloud, instance.image_id)
    assert image is not None, instance.image_id
    return image


def require_usable(cloud: Cloud, image_id: str) -> Image:
    """Return an image that new machines can use."""
    own = cloud.state.images.get(image_id)
    if own and own.is_alive and own.status != "available":
        raise PermissionDenied(f"image [{image_id}] is [{own.status}], can not be used")
    image = None if own and not own.is_alive else find_image(cloud, image_id)
    if image is None:
        raise ResourceNotFound(image_id)
    return image


def describe_images(cloud: Cloud, parameters: Parameters) -> Document:
    exact = {name: parameters.text(name) for name in FILTERS}
    own = select(cloud, parameters, cloud.state.images.values(), "images")
    shown = [*_of_zone(cloud, parameters), *(_own(cloud, image) for image in own)]
    found = [one for one in shown if all(value in ("", one[name]) for name, value in exact.items())]
    return page(parameters, "image_set", found, lambda one: one)


def _of_zone(cloud: Cloud, parameters: Parameters) -> Iterator[Document]:
    wanted, statuses = parameters.texts("images"), parameters.texts("status")
    word = parameters.text("search_word").lower()
    if parameters.texts("tags") or (statuses and "available" not in statuses):
        return
    for image in IMAGES.values():
        if (not wanted or image.id in wanted) and word in f"{image.id} {image.name}".lower():
            yield _system(cloud, image)


def _system(cloud: Cloud, image: Image) -> Document:
    created_at = stamp(cloud.state.vxnets[BASIC_VXNET].created_at)
    return {
        "image_id": image.id,
        "image_name": image.name,
        "description": "",
        "owner": "system",
        "visibility": "public",
        "status": "available",
        "transition_status": "",
        "create_time": created_at,
        "status_time": created_at,
        "sub_code": 0,
        "instance_ids": [],
        **_contents(image),
    }


def _own(cloud: Cloud, own: OwnImage) -> Document:
    image = find_image(cloud, own.id)
    assert image is not None
    instance_ids = [instance.id for instance in users_of(cloud, own)]
    return (
        common(cloud, own, "image")
        | life(own)
        | {"visibility": "private", "instance_ids": instance_ids}
        | _contents(image)
    )


def _contents(image: Image) -> Document:
    return {
        "size": image.disk_gib,
        "processor_type": "64bit",
        "platform": "linux",
        "os_family": image.os_family,
        "provider": image.provider,
        "recommended_type": "s1.small.r2",
        "default_user": image.login_user,
        "default_passwd": "",
        "ui_type": "tui",
        "features": 0,
    }


def users_of(cloud: Cloud, image: OwnImage) -> list[Instance]:
    return [one for one in cloud.state.instances.alive() if one.image_id == image.id]


def capture_instance(cloud: Cloud, parameters: Parameters) -> Document:
    """Create an image from the disk of a stopped instance."""
    instance = cloud.state.instances.read(parameters.required_text("instance"))
    require_settled(instance)
    if instance.status != "stopped":
        raise PermissionDenied(f"instance [{instance.id}] is not stopped, can not be captured")
    quotas.require(cloud, image=1)
    origin = image_of(cloud, instance)
    image = OwnImage(
        id=cloud.new_id("img"),
        name=parameters.text("image_name"),
        created_at=cloud.now(),
        status=PENDING,
        instance_id=instance.id,
        os_family=origin.os_family,
        os_id=origin.os_id,
        os_version=origin.os_version,
        login_user=origin.login_user,
        disk_gib=instance.disk_gib,
    )
    cloud.state.images.add(image)
    return {"image_id": image.id, "job_id": _capture(cloud, [image])}


def _capture(cloud: Cloud, images: Sequence[OwnImage]) -> str:
    async def copy(image: OwnImage) -> None:
        instance = cloud.state.instances.get(image.instance_id)
        if instance is None or instance.status != "stopped":
            raise JobFailure(f"instance [{image.instance_id}] does not stand still any more")
        await cloud.power.capture(instance.id, image.id)

    return begin(cloud, "CaptureInstance", images, CREATE, copy)


@continues("CaptureInstance")
def _capture_again(cloud: Cloud, unfinished: Sequence[str], parameters: Parameters) -> str:
    return _capture(cloud, [cloud.state.images[one] for one in unfinished])


def modify_image_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    image = _read_own(cloud, parameters.required_text("image"), "modified")
    rename(parameters, image, "image")
    return {"image_id": image.id}


def delete_images(cloud: Cloud, parameters: Parameters) -> Document:
    """Move unused images of the account into the recycle bin."""
    ids = dict.fromkeys(parameters.required_texts("images"))
    images = [_read_own(cloud, image_id, "deleted") for image_id in ids]
    for image in images:
        if users := users_of(cloud, image):
            raise PermissionDenied(
                f"image [{image.id}] is used by instance [{users[0].id}], can not be deleted"
            )

    async def delete(image: OwnImage) -> None:
        cloud.state.drop_tags(image)

    job_id = begin(cloud, "DeleteImages", images, DELETE, delete)
    return {"images": [image.id for image in images], "job_id": job_id}


def _read_own(cloud: Cloud, image_id: str, what: str) -> OwnImage:
    if image_id in IMAGES:
        raise PermissionDenied(f"image [{image_id}] belongs to the zone, can not be {what}")
    return cloud.state.images.read(image_id)


ACTIONS = {
    "DescribeImages": describe_images,
    "CaptureInstance": capture_instance,
    "ModifyImageAttributes": modify_image_attributes,
    "DeleteImages": delete_images,
}

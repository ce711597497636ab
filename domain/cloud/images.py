"""Disk images: which one a selector matches, and whether the installers support it."""

import re
from collections.abc import Sequence

from domain.cloud.api import Cloud
from domain.cloud.inventory import Machines
from domain.cloud.records import Image
from domain.kernel.errors import InvalidSpec

SYSTEMS = {
    "ubuntu": ("22.04", "24.04"),
    "debian": ("12", "13"),
    "rocky": ("9",),
    "almalinux": ("9",),
}
"""Systems that the installers support (`installers/lib/machine.sh`), by words in image names."""


def choose_image(images: Sequence[Image], wanted: str) -> Image:
    """Choose the image by its id, or the newest whose name contains all wanted words.

    Image ids are retired on this cloud, names stay, so a selector such as `ubuntu 24.04` lasts.

    Raises:
        InvalidSpec: no available image fits; the message names some that exist.
    """
    usable = [image for image in images if image.status == "available"]
    for image in usable:
        if image.id == wanted:
            return image
    words = wanted.lower().split()
    fitting = [
        image
        for image in usable
        if all(word in f"{image.name} {image.os_family}".lower() for word in words)
    ]
    if not fitting:
        known = ", ".join(sorted(f"{image.name} ({image.id})" for image in usable)[:6])
        raise InvalidSpec(f"no available image is {wanted!r}; available are: {known}")
    return max(fitting, key=lambda image: (image.name, image.id))


def check_system(image: Image) -> None:
    """Refuse a system image that the installers do not support.

    Raises:
        InvalidSpec: its name is of another system, or of another release.
    """
    text = f"{image.os_family} {image.name}".lower()
    release = re.search(r"\b\d+(\.\d+)*\b", image.name)
    for family, releases in SYSTEMS.items():
        fits = release is None or f"{release[0]}.".startswith(tuple(f"{one}." for one in releases))
        if family in text and fits:
            return
    known = ", ".join(f"{family} {' or '.join(releases)}" for family, releases in SYSTEMS.items())
    raise InvalidSpec(
        f"on image {image.name} ({image.id}) Kubernetes cannot be installed; choose one of: {known}"
    )


def login_users(cloud: Cloud, machines: Machines) -> dict[str, str]:
    """Find the login user of each group's image, by group."""
    images = {machines.group_of(machine): machine.image_id for machine in machines.instances}
    system = {image.id: image for image in cloud.known.list_system_images()} if images else {}
    found = {group: system.get(one) or cloud.known.find_image(one) for group, one in images.items()}
    return {group: image.login_user for group, image in found.items() if image}

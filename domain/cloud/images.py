"""Disk images: which one a selector means, and whether the installers take it."""

import re
from collections.abc import Sequence

from domain.cloud.records import Image
from domain.kernel.errors import InvalidSpec

SYSTEMS = {
    "ubuntu": ("22.04", "24.04"),
    "debian": ("12", "13"),
    "rocky": ("9",),
    "almalinux": ("9",),
}
"""What the installers take (`installers/lib/machine.sh`), by words that stand in image names."""


def choose_image(images: Sequence[Image], wanted: str) -> Image:
    """Choose the image by its id, or the newest whose name has all the words wanted.

    Image ids are retired on this cloud, names stay, so a selector such as `ubuntu 24.04` lasts.

    Raises:
        InvalidSpec: no available image fits; the sentence names some that would.
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
        raise InvalidSpec(f"no available image is {wanted!r}; there are: {known}")
    return max(fitting, key=lambda image: (image.name, image.id))


def check_system(image: Image) -> None:
    """Refuse an image of the cloud's own on which the installers would end.

    Raises:
        InvalidSpec: its name says that it is another system, or another release of one.
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

"""Groups of machines: how many are missing, where they go, and when they are up."""

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from domain.cloud import Cloud, Image, Instance, InstanceSpec, KeyPair, Vxnet
from domain.ensured import Ensured
from domain.errors import InvalidSpec
from domain.names import Names
from domain.spec import MACHINES_PER_VXNET, MachineTemplate
from domain.view import the_one
from domain.waiting import Clock, Pace, wait_for, wait_for_jobs

SYSTEMS = {
    "ubuntu": ("22.04", "24.04"),
    "debian": ("12", "13"),
    "rocky": ("9",),
    "almalinux": ("9",),
}
"""What the installers take (`installers/lib/machine.sh`), by words that stand in image names."""


@dataclass(frozen=True, slots=True)
class GroupWish:
    """A group as it should be, with everything that a new machine of it needs."""

    cluster: str
    group: str
    count: int
    template: MachineTemplate
    image_id: str
    vxnets: tuple[Vxnet, ...]
    keypair_id: str
    security_group_id: str


def place(missing: int, vxnets: Sequence[Vxnet], used: Mapping[str, int]) -> dict[str, int]:
    """Fill the vxnets in turn: how many new machines go into which.

    Args:
        used: machines that are in each vxnet already, by its id.

    Raises:
        InvalidSpec: the vxnets are full.
    """
    placed: dict[str, int] = {}
    for vxnet in vxnets:
        here = min(missing, MACHINES_PER_VXNET - used.get(vxnet.id, 0))
        if here > 0:
            placed[vxnet.id] = here
            missing -= here
    if missing:
        raise InvalidSpec(f"{missing} machines have no address left in {len(vxnets)} vxnets")
    return placed


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


def group_members(cloud: Cloud, cluster: str, group: str) -> tuple[Instance, ...]:
    """The living machines of a group, oldest first."""
    name = Names(cluster).group(group)
    found = [m for m in cloud.find_instances(name) if m.name == name and m.is_alive]
    return tuple(sorted(found, key=lambda machine: (machine.created_at, machine.id)))


def launch_missing(
    cloud: Cloud, wish: GroupWish, make_userdata: Callable[[], bytes], clock: Clock = time
) -> Ensured[tuple[Instance, ...]]:
    """Start the machines that the group lacks, in one call a vxnet, and wait until all are up.

    The count is the truth: whoever runs this again after a crash counts what is there, machines
    still booting included, and starts only the difference.

    Args:
        make_userdata: asked only where machines are started.
    """
    there = group_members(cloud, wish.cluster, wish.group)
    missing = wish.count - len(there)
    if missing > 0:
        used = Counter(
            machine.vxnet_id for machine in cloud.find_instances(Names(wish.cluster).prefix)
        )
        placed = place(missing, wish.vxnets, used)
        attachment = cloud.upload_userdata(make_userdata())
        jobs = [
            cloud.run_instances(_request(wish, vxnet_id, count, attachment)).job_id
            for vxnet_id, count in placed.items()
        ]
        wait_for_jobs(cloud, jobs, clock=clock)
    machines = wait_until_up(cloud, wish.cluster, wish.group, max(wish.count, len(there)), clock)
    if missing <= 0:
        return Ensured(machines, f"kept {len(machines)}")
    known = {machine.id for machine in there}
    new = [machine.id for machine in machines if machine.id not in known]
    return Ensured(machines, f"created {' '.join(new)}")


def _request(wish: GroupWish, vxnet_id: str, count: int, attachment: str) -> InstanceSpec:
    return InstanceSpec(
        name=Names(wish.cluster).group(wish.group),
        count=count,
        image_id=wish.image_id,
        type_id=wish.template.instance_type,
        disk_gib=wish.template.disk_gib,
        vxnet_id=vxnet_id,
        keypair_id=wish.keypair_id,
        security_group_id=wish.security_group_id,
        userdata_attachment=attachment,
    )


def wait_until_up(
    cloud: Cloud, cluster: str, group: str, count: int, clock: Clock = time
) -> tuple[Instance, ...]:
    """Wait until this many machines of the group run and have an address, in one call a look."""

    def up() -> tuple[Instance, ...] | None:
        machines = group_members(cloud, cluster, group)
        ready = tuple(machine for machine in machines if machine.is_up)
        return ready if len(ready) >= count else None

    name = Names(cluster).group(group)
    return wait_for(
        up, what=f"{count} machines {name} running", pace=Pace(timeout=900), clock=clock
    )


def ensure_keypair(cloud: Cloud, cluster: str, public_key: str) -> Ensured[KeyPair]:
    """Upload the public half of the cluster's SSH key where it is missing."""
    name = Names(cluster).keypair
    found = the_one("key pair", name, cloud.find_keypairs(name))
    if found:
        return Ensured(found, f"kept {found.id}")
    keypair_id = cloud.create_keypair(name, public_key)
    body = public_key.split()[1]
    return Ensured(KeyPair(keypair_id, name, body, ()), f"created {keypair_id}")

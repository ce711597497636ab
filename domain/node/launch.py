"""Machines that a group lacks: how many, in which vxnet, started in as few calls as possible."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from domain.cloud.api import Cloud
from domain.cloud.creating import create_once
from domain.cloud.inventory import read_machines
from domain.cloud.records import Instance, InstanceSpec, Vxnet
from domain.kernel.ensured import Ensured
from domain.kernel.errors import InvalidSpec
from domain.kernel.names import Names
from domain.kernel.waiting import Clock
from domain.spec.cluster import MACHINES_PER_VXNET, MachineTemplate


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


def launch_missing(
    cloud: Cloud, wish: GroupWish, make_userdata: Callable[[], bytes], clock: Clock = time
) -> Ensured[tuple[Instance, ...]]:
    """Start the machines that the group lacks, in one call a vxnet; they boot by themselves.

    The count is the truth: a run after a crash counts the existing machines, those that still boot
    included, and starts only the difference.

    Args:
        make_userdata: called only where machines are started.
    """
    machines = read_machines(cloud.known, wish.cluster)
    existing = machines.group(wish.group)
    missing = wish.count - len(existing)
    if missing <= 0:
        return Ensured(existing, f"kept {len(existing)}")
    used = Counter(machine.vxnet_id for machine in machines.instances)
    placed = place(missing, wish.vxnets, used)
    attachment = cloud.upload_userdata(make_userdata())
    expected = len(existing)
    for vxnet_id, count in placed.items():
        expected += count
        _start(cloud, wish, _request(wish, vxnet_id, count, attachment), expected, clock)
    group = read_machines(cloud, wish.cluster).group(wish.group)
    known = {machine.id for machine in existing}
    new = [machine.id for machine in group if machine.id not in known]
    return Ensured(group, f"created {' '.join(new)}")


def _start(
    cloud: Cloud, wish: GroupWish, request: InstanceSpec, expected: int, clock: Clock
) -> None:
    """Start machines once; after a lost reply wait for the size that the group would have."""

    def look() -> int | None:
        size = len(read_machines(cloud, wish.cluster).group(wish.group))
        return size if size >= expected else None

    create_once(
        lambda: len(cloud.run_instances(request).instance_ids),
        look,
        what=f"{request.count} machines {request.name}",
        clock=clock,
    )


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

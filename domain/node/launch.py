"""Groups of machines: how many are missing, where they go, and when they are up."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from domain.cloud.api import Cloud
from domain.cloud.jobs import wait_for_jobs
from domain.cloud.records import Instance, InstanceSpec, Vxnet
from domain.kernel.ensured import Ensured
from domain.kernel.errors import InvalidSpec
from domain.kernel.names import Names
from domain.kernel.waiting import Clock, Pace, wait_for
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

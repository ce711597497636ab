"""The missing machines of a group: their vxnets, and their start in as few calls as possible."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from domain.cloud.api import Cloud
from domain.cloud.creating import create_once
from domain.cloud.inventory import Machines, read_machines
from domain.cloud.records import Instance, InstanceSpec, Vxnet
from domain.kernel.ensured import Ensured
from domain.kernel.errors import InvalidSpec, OutOfStock
from domain.kernel.names import Names, cluster_of
from domain.kernel.waiting import Clock
from domain.spec.cluster import MACHINES_PER_VXNET
from domain.spec.groups import MachineTemplate


@dataclass(frozen=True, slots=True)
class WantedGroup:
    """A wanted group, with everything that a new machine of it needs."""

    cluster: str
    group: str
    count: int
    template: MachineTemplate
    image_id: str
    vxnets: tuple[Vxnet, ...]
    keypair_id: str
    security_group_id: str


def place(missing: int, vxnets: Sequence[Vxnet], used: Mapping[str, int]) -> dict[str, int]:
    """Fill the vxnets in turn with new machines.

    Args:
        used: existing machines by the id of their vxnet.

    Returns:
        New machines by the id of their vxnet.

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
    cloud: Cloud, wanted: WantedGroup, make_userdata: Callable[[], bytes], clock: Clock = time
) -> Ensured[tuple[Instance, ...]]:
    """Start the missing machines of a group, with one call for each vxnet; does not wait for them.

    A run after a crash counts the existing machines, those that still boot included, and starts
    only the difference.

    Args:
        make_userdata: called only if machines are started.
    """
    machines = read_machines(cloud.known, wanted.cluster)
    existing = machines.group(wanted.group)
    missing = wanted.count - len(existing)
    if missing <= 0:
        return Ensured(existing, f"kept {len(existing)}")
    used = _used(machines, wanted.vxnets)
    placed = place(missing, wanted.vxnets, used)
    attachment = cloud.upload_userdata(make_userdata())
    expected = len(existing)
    for vxnet_id, count in placed.items():
        expected += count
        _start_in_stock(
            cloud, wanted, _request(wanted, vxnet_id, count, attachment), expected, clock
        )
    group = read_machines(cloud, wanted.cluster).group(wanted.group)
    known = {machine.id for machine in existing}
    # More than were wanted exist where a call acted after it was sent again.
    new = [machine for machine in group if machine.id not in known][:missing]
    return Ensured((*existing, *new), f"created {' '.join(machine.id for machine in new)}")


def _used(machines: Machines, vxnets: Sequence[Vxnet]) -> Counter[str]:
    """The machines in each vxnet; in an adopted one also those that are not the cluster's."""
    used = Counter(machine.vxnet_id for machine in machines.instances)
    ours = {machine.id for machine in machines.instances}
    for vxnet in vxnets:
        if cluster_of(vxnet.name) != machines.name:
            used[vxnet.id] += len(set(vxnet.instance_ids) - ours)
    return used


def _start_in_stock(
    cloud: Cloud, wanted: WantedGroup, request: InstanceSpec, expected: int, clock: Clock
) -> None:
    """Start machines of the first type that is in stock. Raises `OutOfStock` of the last one."""
    *others, last = wanted.template.types
    for type_id in others:
        with suppress(OutOfStock):  # nothing was started: the cloud refuses the whole call
            _start(cloud, wanted, replace(request, type_id=type_id), expected, clock)
            return
    _start(cloud, wanted, replace(request, type_id=last), expected, clock)


def _start(
    cloud: Cloud, wanted: WantedGroup, request: InstanceSpec, expected: int, clock: Clock
) -> None:
    """Start machines once; after a lost reply wait for the size that the group would have."""

    def look() -> int | None:
        size = len(read_machines(cloud, wanted.cluster).group(wanted.group))
        return size if size >= expected else None

    create_once(
        lambda: len(cloud.run_instances(request).instance_ids),
        look,
        what=f"{request.count} machines {request.name}",
        clock=clock,
    )


def _request(wanted: WantedGroup, vxnet_id: str, count: int, attachment: str) -> InstanceSpec:
    return InstanceSpec(
        name=Names(wanted.cluster).group(wanted.group),
        count=count,
        image_id=wanted.image_id,
        type_id=wanted.template.instance_type,
        disk_gib=wanted.template.disk_gib,
        vxnet_id=vxnet_id,
        keypair_id=wanted.keypair_id,
        security_group_id=wanted.security_group_id,
        userdata_attachment=attachment,
    )

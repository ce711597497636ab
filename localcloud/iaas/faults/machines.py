"""Faults of machines: at their boot, or while they run."""

from datetime import timedelta
from functools import partial

from localcloud.iaas.cloud import Cloud
from localcloud.iaas.faults.book import Entry
from localcloud.iaas.faults.kinds import (
    ApiAway,
    Dies,
    NeverBoots,
    NeverJoins,
    NotReady,
    PackagesLocked,
)
from localcloud.iaas.records import Instance
from localcloud.parts import Ailment, Birth

AILMENTS = {
    NeverJoins: Ailment.KUBELET,
    NotReady: Ailment.KUBELET,
    PackagesLocked: Ailment.PACKAGES,
    ApiAway: Ailment.API_SERVER,
}


def boot(cloud: Cloud, instance: Instance, birth: Birth) -> None:
    """Switch a machine on, unless a fault keeps it from booting."""
    strike = partial(cloud.faults.strike_machine, instance_id=instance.id, name=instance.name)
    if strike(NeverBoots):
        return
    ill = [entry for kind in (NeverJoins, PackagesLocked) if (entry := strike(kind))]
    cloud.power.on(birth, [AILMENTS[type(entry.fault)] for entry in ill])
    for entry in (*ill, strike(Dies)):
        if entry:
            _set_due(cloud, entry, instance.id)


async def strike_running(cloud: Cloud, entry: Entry) -> None:
    """Let a fault that has just been added hit the machines that run already."""
    fault = entry.fault
    if not isinstance(fault, (Dies, NotReady, ApiAway)):
        return
    for instance in cloud.state.instances.alive():
        runs = instance.status == "running" and instance.address
        if not runs or not entry.hits(fault, instance.id, instance.name):
            continue
        if ailment := AILMENTS.get(type(fault)):
            await cloud.power.fail(instance.id, ailment)
        _set_due(cloud, entry, instance.id)


async def go_on(cloud: Cloud, entry: Entry) -> None:
    """Let a fault that an earlier process has left do what it still does."""
    if ailment := AILMENTS.get(type(entry.fault)):
        for instance_id in entry.struck:
            await cloud.power.fail(instance_id, ailment)
    for instance_id in entry.due:
        _await_due(cloud, entry, instance_id)


async def heal(cloud: Cloud, entry: Entry) -> None:
    """Mend what a fault has broken, and let nobody die of it any more.

    The dead stay dead until a restart.
    """
    entry.due.clear()
    for instance_id in list(entry.struck):
        await _mend(cloud, entry, instance_id)


def _set_due(cloud: Cloud, entry: Entry, instance_id: str) -> None:
    """Note when a machine dies, or recovers by itself, if it ever does."""
    fault = entry.fault
    if isinstance(fault, (Dies, PackagesLocked, NotReady, ApiAway)) and fault.seconds is not None:
        entry.due[instance_id] = cloud.now() + timedelta(seconds=fault.seconds)
        _await_due(cloud, entry, instance_id)


def _await_due(cloud: Cloud, entry: Entry, instance_id: str) -> None:
    due = entry.due[instance_id]

    async def happen() -> None:
        if entry.due.get(instance_id) != due:  # the fault was cleared, or has struck again since
            return
        del entry.due[instance_id]
        if isinstance(entry.fault, Dies):
            await cloud.power.off(instance_id)
        else:
            await _mend(cloud, entry, instance_id)

    cloud.jobs.later(max((due - cloud.now()).total_seconds(), 0.0), happen)


async def _mend(cloud: Cloud, entry: Entry, instance_id: str) -> None:
    if ailment := AILMENTS.get(type(entry.fault)):
        entry.struck.remove(instance_id)
        await cloud.power.mend(instance_id, ailment)

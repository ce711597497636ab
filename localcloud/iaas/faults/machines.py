"""Faults of machines: at their boot, or while they run."""

from localcloud.iaas.cloud import Cloud
from localcloud.iaas.faults.book import Entry
from localcloud.iaas.faults.kinds import (
    ApiAway,
    Dies,
    MachineFault,
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

    def covers(fault: MachineFault) -> bool:
        return fault.covers(instance.id, instance.name)

    strike = cloud.faults.strike
    if strike(NeverBoots, covers, instance.id):
        return
    never_joins = strike(NeverJoins, covers, instance.id)
    locked = strike(PackagesLocked, covers, instance.id)
    ailments = [AILMENTS[type(fault)] for fault in (never_joins, locked) if fault]
    cloud.power.on(birth, ailments)
    if locked:
        mend = cloud.power.mend
        cloud.jobs.later(locked.seconds, lambda: mend(instance.id, Ailment.PACKAGES))
    if dies := strike(Dies, covers, instance.id):
        _kill_later(cloud, instance, dies.seconds)


async def strike_running(cloud: Cloud, entry: Entry) -> None:
    """Let a fault that has just been added hit the machines that run already."""
    fault = entry.fault
    if not isinstance(fault, (Dies, NotReady, ApiAway)):
        return
    for instance in cloud.state.instances.alive():
        runs = instance.status == "running" and instance.address
        if not runs or not fault.covers(instance.id, instance.name) or not entry.draw():
            continue
        entry.struck.append(instance.id)
        if isinstance(fault, Dies):
            _kill_later(cloud, instance, fault.seconds)
        else:
            await cloud.power.fail(instance.id, AILMENTS[type(fault)])
    heal_later(cloud, entry)


def heal_later(cloud: Cloud, entry: Entry) -> None:
    """Let a fault that lasts for a while end when its time is up."""
    fault = entry.fault
    if isinstance(fault, (NotReady, ApiAway)) and fault.seconds is not None:
        cloud.jobs.later(fault.seconds, lambda: heal(cloud, entry))


def _kill_later(cloud: Cloud, instance: Instance, seconds: float) -> None:
    cloud.jobs.later(seconds, lambda: cloud.power.off(instance.id))


async def heal(cloud: Cloud, entry: Entry) -> None:
    """Mend what a fault has broken, as far as it mends: the dead stay dead until a restart."""
    if ailment := AILMENTS.get(type(entry.fault)):
        struck, entry.struck = entry.struck, []
        for instance_id in struck:
            await cloud.power.mend(instance_id, ailment)

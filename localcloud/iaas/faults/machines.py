"""Faults of machines, at their boot or while they run."""

from datetime import timedelta
from functools import partial

from localcloud.iaas.cloud import Cloud
from localcloud.iaas.faults.kinds import (
    ApiAway,
    Dies,
    NeverBoots,
    NeverJoins,
    NotReady,
    PackagesLocked,
)
from localcloud.iaas.faults.registry import Entry
from localcloud.iaas.records import Instance
from localcloud.parts import Component, MachineSpec

FAILING_COMPONENT = {
    NeverJoins: Component.KUBELET,
    NotReady: Component.KUBELET,
    PackagesLocked: Component.PACKAGES,
    ApiAway: Component.API_SERVER,
}


def boot(cloud: Cloud, instance: Instance, spec: MachineSpec) -> None:
    """Power on a machine, unless a fault prevents its boot."""
    strike = partial(cloud.faults.strike_machine, instance_id=instance.id, name=instance.name)
    if strike(NeverBoots):
        return
    struck = [entry for kind in (NeverJoins, PackagesLocked) if (entry := strike(kind))]
    cloud.power.on(spec, [FAILING_COMPONENT[type(entry.fault)] for entry in struck])
    for entry in (*struck, strike(Dies)):
        if entry:
            _set_due(cloud, entry, instance.id)


async def strike_running(cloud: Cloud, entry: Entry) -> None:
    """Apply a newly added fault to the running machines."""
    fault = entry.fault
    if not isinstance(fault, (Dies, NotReady, ApiAway)):
        return
    for instance in cloud.state.instances.alive():
        runs = instance.status == "running" and instance.address
        if not runs or not entry.hits(fault, instance.id, instance.name):
            continue
        if component := FAILING_COMPONENT.get(type(fault)):
            await cloud.power.fail(instance.id, component)
        _set_due(cloud, entry, instance.id)


async def resume(cloud: Cloud, entry: Entry) -> None:
    """Resume a fault that an earlier process has stored."""
    if component := FAILING_COMPONENT.get(type(entry.fault)):
        for instance_id in entry.struck:
            await cloud.power.fail(instance_id, component)
    for instance_id in entry.due:
        _await_due(cloud, entry, instance_id)


async def end_fault(cloud: Cloud, entry: Entry) -> None:
    """Recover failed components, and cancel what is due; stopped machines need a restart."""
    entry.due.clear()
    for instance_id in list(entry.struck):
        await _recover(cloud, entry, instance_id)


def _set_due(cloud: Cloud, entry: Entry, instance_id: str) -> None:
    """Record when a machine stops or recovers by itself, if it does."""
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
            await _recover(cloud, entry, instance_id)

    cloud.jobs.later(max((due - cloud.now()).total_seconds(), 0.0), happen)


async def _recover(cloud: Cloud, entry: Entry, instance_id: str) -> None:
    if component := FAILING_COMPONENT.get(type(entry.fault)):
        entry.struck.remove(instance_id)
        await cloud.power.recover(instance_id, component)

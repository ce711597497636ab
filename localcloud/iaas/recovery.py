"""Resume a cloud after its process has ended: publish ports, boot machines, finish jobs.

Only records are stored: ports, machines and jobs have to be started from them.
"""

import logging
from collections.abc import Iterable, Sequence
from functools import partial

from localcloud.addresses import NoAddressLeft
from localcloud.iaas.actions import ACTIONS
from localcloud.iaas.actions.instances import spec_of
from localcloud.iaas.actions.routers import touch
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import Refusal
from localcloud.iaas.faults import machines as machine_faults
from localcloud.iaas.jobs import FAILED, SUCCESSFUL, Job
from localcloud.iaas.lifecycle import CONTINUATIONS, finish
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.publication import forwards_of, forwards_of_balancer, forwards_of_instance
from localcloud.iaas.records import PENDING, Resource

log = logging.getLogger(__name__)


async def resume(cloud: Cloud) -> int:
    """Start everything that the records describe; return the number of running machines."""
    _hold_addresses(cloud)
    await _publish(cloud)
    count = await _power_on(cloud)
    _end_pauses(cloud)
    moving = _settle(cloud)
    for job in list(cloud.jobs.by_id.values()):
        if job.is_under_way:
            _take_up(cloud, job, moving)
    return count


def _hold_addresses(cloud: Cloud) -> None:
    for eip in cloud.state.eips.alive():
        if cloud.addresses.hold(eip.address):
            continue
        try:
            (other,) = cloud.addresses.claim(1)
        except NoAddressLeft as error:
            log.error("%s has lost its address: %s", eip.id, error)
            continue
        message = "%s is now %s: another cloud on this machine holds %s"
        log.warning(message, eip.id, other, eip.address)
        eip.address = other


async def _publish(cloud: Cloud) -> None:
    """Listen on every port that was in force, except those in use by now."""
    state = cloud.state
    for router in state.routers.alive():
        wanted = partial(forwards_of, cloud, router)
        await cloud.public.publish(router.id, wanted, leniently=True)
    for instance in state.instances.alive():
        of_instance = partial(forwards_of_instance, cloud, instance)
        await cloud.public.publish(instance.id, of_instance, leniently=True)
    for balancer in state.loadbalancers.alive():
        if balancer.status == "active":
            cloud.balancers.refresh(balancer)
        of_balancer = partial(forwards_of_balancer, cloud, balancer)
        await cloud.public.publish(balancer.id, of_balancer, leniently=True)


async def _power_on(cloud: Cloud) -> int:
    instances = cloud.state.instances
    cloud.power.adopt(cloud.state.disk_ids())
    for entry in cloud.faults.entries():
        await machine_faults.resume(cloud, entry)
    powered = [one for one in instances.alive() if one.id in cloud.power.powered]
    for instance in powered:
        cloud.power.on(spec_of(cloud, instance))
    return len(powered)


def _end_pauses(cloud: Cloud) -> None:
    """Finish delays that are not jobs."""
    for instance in cloud.state.instances.alive():
        if instance.status == "running" and instance.address:
            instance.has_lease = True
    for eip in cloud.state.eips.values():
        if eip.status == PENDING:
            finish(eip, "available", cloud.now())
    for router in cloud.state.routers.alive():
        if not router.is_applied:
            touch(cloud, router)


def _settle(cloud: Cloud) -> set[str]:
    """End all transitions, and return their resource ids; restarted jobs begin new ones."""
    moving = [one for one in _resources(cloud) if one.transition]
    for resource in moving:
        resource.transition = ""
    return {resource.id for resource in moving}


def _resources(cloud: Cloud) -> Iterable[Resource]:
    return (one for table in cloud.state.tables().values() for one in table.values())


def _take_up(cloud: Cloud, job: Job, moving: set[str]) -> None:
    """Continue a job with its unfinished resources; where that is refused, fail it."""
    own = [one for one in _resources(cloud) if one.id in job.resource_ids]
    unfinished = [one.id for one in own if one.id in moving]
    try:
        successor = _start_again(cloud, job, unfinished)
    except Refusal as refusal:
        for resource in own:
            if resource.status == PENDING:
                resource.become("ceased", cloud.now())
        if unfinished:
            cloud.jobs.end(job, FAILED, str(refusal))
        else:  # its work was done, and its end not yet recorded
            cloud.jobs.end(job, SUCCESSFUL)
    else:
        cloud.jobs.resume(job, successor)


def _start_again(cloud: Cloud, job: Job, unfinished: Sequence[str]) -> str:
    """Start the rest of a job, and return the id of the new one."""
    done = set(job.resource_ids) - set(unfinished) if unfinished else set()
    parameters = Parameters(
        {name: value for name, value in job.request.items() if value not in done}
    )
    if again := CONTINUATIONS.get(job.action):
        return again(cloud, unfinished, parameters)
    job_id: str = ACTIONS[job.action](cloud, parameters)["job_id"]
    return job_id

"""State machines as data: what a call needs, what shows meanwhile, and what it leaves behind."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TypeVar

from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import (
    JobFailure,
    LeaseNotReady,
    PermissionDenied,
    Refusal,
    StillInTransition,
)
from localcloud.iaas.faults import kinds as faults
from localcloud.iaas.jobs import PartialFailure, Work
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import PENDING, Resource

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Resource)

INJECTED = "InternalError, a fault of the local cloud asks for this"

Continue = Callable[[Cloud, Sequence[str], Parameters], str]
"""Starts the job of an accepted request again, for the resources that it has not finished."""

CONTINUATIONS: dict[str, Continue] = {}
"""How jobs go on whose request must not be made again: accepting it has left something behind."""


def continues(action: str) -> Callable[[Continue], Continue]:
    """Name the action whose jobs a function takes up after the process was killed."""

    def register(function: Continue) -> Continue:
        CONTINUATIONS[action] = function
        return function

    return register


@dataclass(frozen=True, slots=True)
class Step:
    """One asynchronous change of a resource.

    Attributes:
        allowed: the statuses from which the call is accepted; empty means any.
        transition: what `transition_status` shows until the job is done.
        final: the status afterwards; empty means unchanged.
        duration: the field of the profile that says how long it takes.
        refusal: ends the sentence `PermissionDenied, <kind> [<id>] …` for any other status.
        needs_lease: whether billing must have begun, as for everything that deletes.
    """

    allowed: tuple[str, ...]
    transition: str
    final: str
    duration: str
    refusal: str = ""
    needs_lease: bool = False


def require_settled(resource: Resource) -> None:
    """Refuse any change while another one is under way."""
    if resource.transition:
        raise StillInTransition(resource.id, resource.transition)


def require_lease(cloud: Cloud, resource: Resource) -> None:
    """Refuse to delete what is so fresh that its billing has not begun."""
    if not has_lease(cloud, resource):
        raise LeaseNotReady(resource.id)


def has_lease(cloud: Cloud, resource: Resource) -> bool:
    leased_at, wait = resource.leased_at, timedelta(seconds=cloud.profile.lease)
    return leased_at is not None and cloud.now() - leased_at >= wait


def require(cloud: Cloud, resource: Resource, step: Step) -> None:
    """Refuse a step for which a resource is not ready."""
    require_settled(resource)
    if step.allowed and resource.status not in step.allowed:
        reason = step.refusal or f"is [{resource.status}]"
        raise PermissionDenied(f"{resource.kind} [{resource.id}] {reason}")
    if step.needs_lease:
        require_lease(cloud, resource)


def begin(
    cloud: Cloud,
    action: str,
    resources: Sequence[R],
    step: Step,
    effect: Callable[[R], Awaitable[None]],
    abandon: Callable[[R], None] = lambda resource: None,
) -> str:
    """Start a job that takes resources through a step, all or none accepted; return its id.

    The effect runs for each when the time is up; where it raises, that resource keeps its
    status and the job ends as failed, or as partly failed when others went well. `abandon`
    then gives up what had been reserved for it; what was to be created is `ceased`.

    Raises:
        LookupError: the action creates, and nothing says how its job goes on after a kill.
    """
    for resource in resources:
        require(cloud, resource, step)
    if action not in CONTINUATIONS and any(one.status == PENDING for one in resources):
        raise LookupError(f"{action} creates: name what `continues` it")
    for resource in resources:
        resource.transition = step.transition

    fate = cloud.faults.strike(faults.JobFailure, lambda fault: fault.covers(action))
    doomed = _doomed(fate, resources)

    async def take(resource: R) -> str:
        before = resource.status
        try:
            if resource.id in doomed:
                raise JobFailure(INJECTED)
            await effect(resource)
        except Exception as error:
            abandon(resource)
            resource.become("ceased" if before == PENDING else before, cloud.now())
            return f"{resource.id}: {_reason(action, error)}"
        finally:
            resource.transition = ""
        finish(resource, step.final or resource.status, cloud.now())
        return ""

    async def work() -> None:
        outcomes = await asyncio.gather(*(take(resource) for resource in resources))
        failures = [outcome for outcome in outcomes if outcome]
        if failures:
            is_partial = len(failures) < len(resources) or (fate and fate.outcome == "partly")
            raise (PartialFailure if is_partial else JobFailure)("; ".join(failures))

    seconds: float = attrgetter(step.duration)(cloud.profile)
    return cloud.jobs.start(action, [r.id for r in resources], seconds, work)


def _reason(action: str, error: Exception) -> str:
    """Say why an effect failed; what nobody has foreseen is logged as well."""
    if isinstance(error, (JobFailure, Refusal)):
        return str(error)
    log.error("job of %s failed", action, exc_info=error)
    return f"InternalError, {type(error).__name__}"


def _doomed(fate: faults.JobFailure | None, resources: Sequence[Resource]) -> set[str]:
    """Choose whom an injected failure hits: all, or the first half."""
    if fate is None:
        return set()
    number = len(resources) if fate.outcome == "failed" else (len(resources) + 1) // 2
    return {resource.id for resource in resources[:number]}


def start_job(cloud: Cloud, action: str, touched: Sequence[str], seconds: float, work: Work) -> str:
    """Start a job that takes no resource through a step; return its id."""
    fate = cloud.faults.strike(faults.JobFailure, lambda fault: fault.covers(action))

    async def fail() -> None:
        assert fate is not None
        raise (PartialFailure if fate.outcome == "partly" else JobFailure)(INJECTED)

    return cloud.jobs.start(action, touched, seconds, fail if fate else work)


def finish(resource: Resource, status: str, now: datetime) -> None:
    """Reach a status; the first one that is not `pending` starts the lease."""
    resource.become(status, now)
    if resource.leased_at is None and status != PENDING:
        resource.leased_at = now

"""State machines as data: required status, transition, and final status."""

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
"""Restarts the job of an accepted request for its unfinished resources; returns its id."""

CONTINUATIONS: dict[str, Continue] = {}
"""How to continue jobs whose request must not be repeated, because accepting it had effects."""


def continues(action: str) -> Callable[[Continue], Continue]:
    """Register a function that continues an action's jobs after the process was killed."""

    def register(function: Continue) -> Continue:
        CONTINUATIONS[action] = function
        return function

    return register


@dataclass(frozen=True, slots=True)
class Step:
    """One asynchronous change of a resource.

    Attributes:
        allowed: the statuses from which the call is accepted; empty means any.
        transition: `transition_status` until the job is done.
        final: the status afterwards; empty means unchanged.
        duration: the field of the profile with the seconds it takes.
        refusal: the end of `PermissionDenied, <kind> [<id>] …` for any other status.
        needs_lease: whether billing must have begun, as for all deletions.
    """

    allowed: tuple[str, ...]
    transition: str
    final: str
    duration: str
    refusal: str = ""
    needs_lease: bool = False


def require_settled(resource: Resource) -> None:
    """Refuse any change while a transition is under way."""
    if resource.transition:
        raise StillInTransition(resource.id, resource.transition)


def require_lease(cloud: Cloud, resource: Resource) -> None:
    """Refuse to delete a resource whose billing has not begun."""
    if not has_lease(cloud, resource):
        raise LeaseNotReady(resource.id)


def has_lease(cloud: Cloud, resource: Resource) -> bool:
    leased_at, wait = resource.leased_at, timedelta(seconds=cloud.profile.lease)
    return leased_at is not None and cloud.now() - leased_at >= wait


def require(cloud: Cloud, resource: Resource, step: Step) -> None:
    """Refuse a step that the status of a resource does not allow."""
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
    """Start a job that takes resources through a step, and return its id; all or none start.

    The effect runs for each resource at the end of the time. Where it raises, the resource keeps
    its status, and the job ends as failed, or partly failed when others succeeded. `abandon`
    then releases what was reserved for it; a resource under creation is `ceased`.

    Raises:
        LookupError: the action creates, and no function continues its job after a kill.
    """
    for resource in resources:
        require(cloud, resource, step)
    if action not in CONTINUATIONS and any(one.status == PENDING for one in resources):
        raise LookupError(f"{action} creates: name what `continues` it")
    for resource in resources:
        resource.transition = step.transition

    fault = cloud.faults.strike(faults.JobFailure, lambda fault: fault.covers(action))
    failing = _failing(fault, resources)

    async def take(resource: R) -> str:
        before = resource.status
        try:
            if resource.id in failing:
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
            is_partial = len(failures) < len(resources) or (fault and fault.outcome == "partly")
            raise (PartialFailure if is_partial else JobFailure)("; ".join(failures))

    seconds: float = attrgetter(step.duration)(cloud.profile)
    return cloud.jobs.start(action, [r.id for r in resources], seconds, work)


def _reason(action: str, error: Exception) -> str:
    """Return why an effect failed; an unexpected error is logged, too."""
    if isinstance(error, (JobFailure, Refusal)):
        return str(error)
    log.error("job of %s failed", action, exc_info=error)
    return f"InternalError, {type(error).__name__}"


def _failing(fault: faults.JobFailure | None, resources: Sequence[Resource]) -> set[str]:
    """Return the ids that an injected failure hits: all, or the first half."""
    if fault is None:
        return set()
    number = len(resources) if fault.outcome == "failed" else (len(resources) + 1) // 2
    return {resource.id for resource in resources[:number]}


def start_job(cloud: Cloud, action: str, touched: Sequence[str], seconds: float, work: Work) -> str:
    """Start a job without a status change of resources, and return its id."""
    fault = cloud.faults.strike(faults.JobFailure, lambda fault: fault.covers(action))

    async def fail() -> None:
        assert fault is not None
        raise (PartialFailure if fault.outcome == "partly" else JobFailure)(INJECTED)

    return cloud.jobs.start(action, touched, seconds, fail if fault else work)


def finish(resource: Resource, status: str, now: datetime) -> None:
    """Set the final status; the first one that is not `pending` starts the lease."""
    resource.become(status, now)
    if resource.leased_at is None and status != PENDING:
        resource.leased_at = now

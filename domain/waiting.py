"""Waits: look first, then sleep; a deadline, never a count; a clock that tests can move."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from domain.cloud import Cloud, JobStatus
from domain.errors import JobFailed, TemporaryError, UnknownOutcome, Unreachable, WaitTimedOut

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait and how often to look, in seconds.

    Calls are scarce (2,000 an hour by the documentation), so the pauses grow: a wait of one minute
    costs about a dozen looks, and one of five minutes about forty.
    """

    timeout: float = 600.0
    interval: float = 0.25
    growth: float = 1.5
    longest: float = 10.0


class Clock(Protocol):
    """What a wait needs of time; the `time` module is one, tests pass a clock that jumps."""

    def monotonic(self) -> float: ...
    def sleep(self, seconds: float, /) -> None: ...


def wait_for(
    look: Callable[[], T | None],
    *,
    what: str,
    pace: Pace | None = None,
    clock: Clock = time,
) -> T:
    """Look until there is something to see, and return it.

    A `TemporaryError` or a network that is away while looking counts as seeing nothing: the next
    look may succeed.

    Args:
        look: answers None while the wanted state is not reached.
        what: the wanted state with the resource's id, for the error's sentence.

    Raises:
        WaitTimedOut: the state was not seen before the deadline; it may yet come.
    """
    pace = pace or Pace()
    deadline = clock.monotonic() + pace.timeout
    interval = pace.interval
    trouble = ""
    while True:
        try:
            seen = look()
            trouble = ""
        except (TemporaryError, Unreachable) as error:
            seen, trouble = None, f"; last error: {error}"
        if seen is not None:
            return seen
        remaining = deadline - clock.monotonic()
        if remaining <= 0:
            raise WaitTimedOut(
                f"{what}: not seen within {pace.timeout:g} s{trouble}; "
                "look at it in the cloud's console, then run the same command again"
            )
        clock.sleep(min(interval, remaining))
        interval = min(interval * pace.growth, pace.longest)


def when_free(
    act: Callable[[], T], *, what: str, pace: Pace | None = None, clock: Clock = time
) -> T:
    """Do something once the cloud stops answering "please try later", and return its answer.

    QingCloud refuses changes to what is in transition, and deletions in the first half minute of
    a billed resource's life. An unknown outcome is not repeated: the caller has to look first.
    """

    lost: list[UnknownOutcome] = []

    def attempt() -> tuple[T, ...] | None:
        try:
            return (act(),)
        except UnknownOutcome as error:  # the wait would take it for a reason to try again
            lost.append(error)
            return ()

    done = wait_for(attempt, what=what, pace=pace or Pace(timeout=240), clock=clock)
    if lost:
        raise lost[0]
    return done[0]


def wait_for_jobs(
    cloud: Cloud, job_ids: Sequence[str], *, pace: Pace | None = None, clock: Clock = time
) -> None:
    """Wait until the cloud has finished all these jobs, in one call a look for all of them.

    A job that is done does not prove a resource that works: look at the resource afterwards.

    Raises:
        JobFailed: the cloud gave up on all or part of a job.
        WaitTimedOut: a job was still running at the deadline.
    """
    wanted = [job_id for job_id in job_ids if job_id]
    if not wanted:
        return

    def finished() -> bool | None:
        jobs = cloud.read_jobs(wanted)
        for job in jobs:
            if job.status in (JobStatus.FAILED, JobStatus.PARTLY_FAILED):
                detail = f": {job.error_codes}" if job.error_codes else ""
                raise JobFailed(
                    f"{job.action} ({job.id}) on {' '.join(job.resource_ids)} "
                    f"ended as {job.status}{detail}"
                )
        done = {job.id for job in jobs if job.status is JobStatus.SUCCESSFUL}
        return True if done >= set(wanted) else None

    wait_for(finished, what=f"end of {' '.join(wanted)}", pace=pace, clock=clock)

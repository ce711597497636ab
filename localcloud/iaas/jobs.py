"""Jobs: accepted requests that take time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from localcloud.clock import Clock
from localcloud.iaas.errors import JobFailure

log = logging.getLogger(__name__)

PENDING, WORKING = "pending", "working"
SUCCESSFUL, FAILED, PARTLY_FAILED = "successful", "failed", "done with failure"

QUEUED_SHARE = 0.2
"""The part of a job's time that it spends in the queue, `pending`."""

Work = Callable[[], Awaitable[None]]


class PartialFailure(JobFailure):
    """The job succeeded for some of its resources only."""


@dataclass(slots=True)
class Job:
    id: str
    action: str
    resource_ids: tuple[str, ...]
    created_at: datetime
    status_at: datetime
    status: str = PENDING
    error_codes: str = ""
    request: dict[str, str] = field(default_factory=dict)  # its parameters, while it is under way

    @property
    def is_under_way(self) -> bool:
        return self.status in (PENDING, WORKING)


class Jobs:
    """Runs jobs, and keeps their outcome.

    Attributes:
        on_change: called after each status change.
    """

    def __init__(self, clock: Clock, new_id: Callable[[str], str]) -> None:
        self.by_id: dict[str, Job] = {}
        self._clock = clock
        self._new_id = new_id
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_change: Callable[[], None] = lambda: None

    def start(self, action: str, resource_ids: Sequence[str], seconds: float, work: Work) -> str:
        """Queue a job that runs `work` after some seconds, and return its id.

        The work returns or raises `JobFailure`; any other exception fails the job, too, so that a
        defect of the emulator does not leave a client waiting.
        """
        now = self._clock.now()
        job = Job(self._new_id("j"), action, tuple(resource_ids), now, now)
        self.by_id[job.id] = job
        self._spawn(self._run(job, seconds, work))
        return job.id

    def later(self, seconds: float, work: Callable[[], Awaitable[None] | None]) -> None:
        """Run `work` after some seconds, without a job that clients can see."""

        async def wait() -> None:
            await self._clock.sleep(seconds)
            if (more := work()) is not None:
                await more
            self.on_change()

        self._spawn(wait())

    def end(self, job: Job, status: str, error_codes: str = "") -> None:
        """Set the outcome of a job that is no longer running."""
        self._become(job, status, error_codes)

    def resume(self, job: Job, successor_id: str) -> None:
        """Continue a job of an earlier process as its successor, under the old id, too."""
        successor = self.by_id.pop(successor_id)
        successor.id, successor.created_at = job.id, job.created_at
        successor.resource_ids, successor.request = job.resource_ids, job.request
        self.by_id[job.id] = successor

    async def close(self) -> None:
        """Cancel all running jobs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: Job, seconds: float, work: Work) -> None:
        await self._clock.sleep(seconds * QUEUED_SHARE)
        self._become(job, WORKING)
        await self._clock.sleep(seconds * (1 - QUEUED_SHARE))
        try:
            await work()
        except PartialFailure as failure:
            self._become(job, PARTLY_FAILED, str(failure))
        except JobFailure as failure:
            self._become(job, FAILED, str(failure))
        except Exception as error:
            log.exception("job %s (%s) failed", job.id, job.action)
            self._become(job, FAILED, f"InternalError, {type(error).__name__}")
        else:
            self._become(job, SUCCESSFUL)

    def _become(self, job: Job, status: str, error_codes: str = "") -> None:
        job.status, job.status_at, job.error_codes = status, self._clock.now(), error_codes
        if not job.is_under_way:
            job.request = {}
        self.on_change()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

"""Jobs: what the API has accepted and is still doing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
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
    """The job has done a part of its resources."""


@dataclass(slots=True)
class Job:
    id: str
    action: str
    resource_ids: tuple[str, ...]
    created_at: datetime
    status_at: datetime
    status: str = PENDING
    error_codes: str = ""


class Jobs:
    """Runs what takes time, and remembers how it went."""

    def __init__(self, clock: Clock, new_id: Callable[[str], str]) -> None:
        self.by_id: dict[str, Job] = {}
        self._clock = clock
        self._new_id = new_id
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, action: str, resource_ids: Sequence[str], seconds: float, work: Work) -> str:
        """Queue a job that does its `work` after some seconds, and return its id.

        The work either returns or raises `JobFailure`; any other exception fails the job as well,
        so that a mistake in the emulator does not leave a client waiting.
        """
        now = self._clock.now()
        job = Job(self._new_id("j"), action, tuple(resource_ids), now, now)
        self.by_id[job.id] = job
        self._spawn(self._run(job, seconds, work))
        return job.id

    def later(self, seconds: float, work: Callable[[], Awaitable[None] | None]) -> None:
        """Do something after a while without a job that anybody could ask about."""

        async def wait() -> None:
            await self._clock.sleep(seconds)
            if (more := work()) is not None:
                await more

        self._spawn(wait())

    async def close(self) -> None:
        """Abandon everything that is still under way."""
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

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

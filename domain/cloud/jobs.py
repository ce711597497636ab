"""Waiting for the cloud's jobs: many of them in one call."""

import time
from collections.abc import Sequence

from domain.cloud.api import Cloud
from domain.cloud.records import JobStatus
from domain.kernel.errors import JobFailed
from domain.kernel.waiting import Clock, Pace, wait_for


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

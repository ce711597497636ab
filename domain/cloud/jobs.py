"""Waiting for jobs of the cloud, many of them in one call."""

import time
from collections.abc import Sequence

from domain.cloud.api import Cloud
from domain.cloud.records import JobStatus
from domain.kernel.errors import JobFailed
from domain.kernel.waiting import Clock, Pace, wait_for

JOB = Pace(interval=0.4, head_start=0.4)
"""A job that was accepted a moment ago is never done yet."""


def wait_for_jobs(
    cloud: Cloud, job_ids: Sequence[str], *, pace: Pace = JOB, clock: Clock = time
) -> None:
    """Wait until the cloud has finished all these jobs, with one call for all of them at each look.

    The end of a job does not prove that the resource works: read the resource afterwards.

    Raises:
        JobFailed: a job failed, wholly or in part.
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

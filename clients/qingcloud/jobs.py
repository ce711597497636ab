"""Jobs: the progress of accepted calls."""

from collections.abc import Sequence

from clients.qingcloud.calls import Calls
from clients.qingcloud.reply import Item
from domain.cloud.records import Job, JobStatus


class JobCalls(Calls):
    def read_jobs(self, job_ids: Sequence[str]) -> list[Job]:
        """Read jobs, many in one call; jobs that the cloud no longer lists are left out."""
        return [_job(item) for item in self._read("DescribeJobs", "job_set", "jobs", job_ids)]


def _job(item: Item) -> Job:
    return Job(
        id=item.text("job_id"),
        action=item.optional_text("job_action"),
        status=item.word("status", JobStatus),
        resource_ids=tuple(item.optional_text("resource_ids").split()),
        error_codes=item.optional_text("error_codes"),
    )

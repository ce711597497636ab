"""Scheduled runs that no worker has taken: they are dropped, because the next ones see everything.

Prefect keeps every scheduled run until a worker takes it. After a day without a worker those would
be thousands, each a process that finds that it is late.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType, WorkerStatus

LATE = timedelta(minutes=1)

BY_SCHEDULE = "auto-scheduled"
"""The tag that Prefect gives to the runs of a schedule; what a person has started has none."""

BULK_DELETE: Any = "/flow_runs/bulk_delete"  # the client has no method for it


def drop_late_runs(client: SyncPrefectClient, now: datetime | None = None) -> int:
    """Delete the runs of schedules that are late. Returns: how many there were."""
    before = (now or datetime.now(UTC)) - LATE
    late = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[BY_SCHEDULE]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=before),
    )
    body = {"flow_runs": late.model_dump(mode="json", exclude_unset=True)}
    dropped = 0
    while True:  # a call deletes some hundreds at most
        reply = client.request("POST", BULK_DELETE, json=body)
        reply.raise_for_status()
        deleted = len(reply.json()["deleted"])
        if not deleted:
            return dropped
        dropped += deleted


def has_worker(client: SyncPrefectClient, pool: str) -> bool:
    """Whether a worker polls a work pool at present."""
    workers = client.read_workers_for_work_pool(pool)
    return any(worker.status is WorkerStatus.ONLINE for worker in workers)

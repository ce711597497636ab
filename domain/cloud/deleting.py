"""Deleting resources of the cloud, which refuses that at first, or while they are in use.

Each attempt but the first looks before it acts, so a resource that an earlier attempt, a lost reply
or another run has deleted is no error.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from domain.cloud.api import Cloud
from domain.cloud.jobs import wait_for_jobs
from domain.kernel.errors import NotFound, TemporaryError
from domain.kernel.waiting import Clock, wait_for, when_free

REFUSED_FOR = 60.0
"""Seconds for which a refused deletion is retried: the users of the resource are deleted, but the
cloud may notice that late, and the code with which it refuses is not documented."""


class Named(Protocol):
    """Id and name, which every resource has."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


def ids_of(found: Sequence[Named], *wanted: str) -> list[str]:
    return [resource.id for resource in found if resource.id in wanted]


def without_job(delete: Callable[[list[str]], None]) -> Callable[[list[str]], str]:
    def done(ids: list[str]) -> str:
        delete(ids)
        return ""

    return done


def delete_existing(
    cloud: Cloud,
    what: str,
    seen: Sequence[str],
    find: Callable[[], list[str]],
    delete: Callable[[list[str]], str],
    clock: Clock = time,
    *,
    until_gone: bool = False,
) -> None:
    """Delete resources, and on each further attempt those that still exist.

    Args:
        seen: ids, as the inventory has them.
        find: returns those of the ids that still exist.
        delete: starts the deletion of ids; returns the job, or an empty text when it is done.
        until_gone: wait until they are gone, where the end of the job is not enough. The teardown
            reads everything else once more at its end.
    """
    attempts: list[list[str]] = []

    def attempt() -> str:
        wanted = find() if attempts else list(seen)
        attempts.append(wanted)
        try:
            return delete(wanted) if wanted else ""
        except NotFound as error:  # deleted since the look: the others still exist
            raise TemporaryError(str(error)) from error

    job = when_free(attempt, what=f"deletion of {what}", clock=clock, refused_for=REFUSED_FOR)
    wait_for_jobs(cloud, [job], clock=clock)
    if until_gone:
        ended = f"end of {' '.join(seen)}"
        wait_for(lambda: None if find() else True, what=ended, clock=clock)

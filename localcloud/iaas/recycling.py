"""The recycle bin: deleted resources cease after two hours, and are forgotten a day later."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from localcloud.clock import Clock
from localcloud.iaas.jobs import Jobs
from localcloud.iaas.power import Power
from localcloud.iaas.records import FORGOTTEN, Instance, OwnImage, Resource
from localcloud.iaas.state import State

IN_BIN = frozenset({"terminated", "deleted"})
KEPT = timedelta(hours=2)
"""How long deleted resources stay in the bin, by the documents."""

ANSWERED = timedelta(days=1)
"""How long ceased resources can be read by id: a guess, the documents give no time."""

LOOK_AGAIN = timedelta(minutes=1)


class RecycleBin:
    """Emptied with each request, so that it needs no timer."""

    def __init__(self, clock: Clock, state: State, jobs: Jobs, power: Power) -> None:
        self._clock, self._state, self._jobs, self._power = clock, state, jobs, power
        self._looked_at: datetime | None = None

    def empty(self) -> None:
        """Cease resources whose time is up, and forget those that ceased long ago."""
        now = self._clock.now()
        if self._looked_at is not None and abs(now - self._looked_at) < LOOK_AGAIN:
            return
        self._looked_at = now
        for resource in self._in_bin():
            if now - resource.status_at >= KEPT:
                self._cease(resource)
        self._forget(now - ANSWERED)

    def _in_bin(self) -> Iterator[Resource]:
        for table in self._state.tables().values():
            yield from (one for one in table.values() if one.status in IN_BIN)

    def _cease(self, resource: Resource) -> None:
        if resource.transition:
            return  # a CeaseInstances is under way
        resource.become("ceased", resource.status_at + KEPT)
        if isinstance(resource, (Instance, OwnImage)):
            self._jobs.later(0, partial(self._power.destroy, resource.id))

    def _forget(self, before: datetime) -> None:
        for table in self._state.tables().values():
            over = [one for one in table.values() if one.status in FORGOTTEN]
            for resource in over:
                if resource.status_at < before:
                    del table[resource.id]
        for job in list(self._jobs.by_id.values()):
            if not job.is_under_way and job.status_at < before:
                del self._jobs.by_id[job.id]

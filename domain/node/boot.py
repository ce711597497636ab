"""When a machine that was started runs and has an address."""

import time
from collections.abc import Callable
from threading import Lock

from domain.cloud.inventory import Machines
from domain.cloud.records import Instance
from domain.kernel.errors import JobFailed
from domain.kernel.waiting import Clock, Pace, wait_for

BOOTING = Pace(timeout=900)
"""How long a machine may take from RunInstances to its address."""

APPEARING = 60.0
"""Seconds in which the cloud may not list yet what it has accepted."""


class SharedLook:
    """One reading of all machines for everything that waits for one of them.

    Calls are scarce, and hundreds of machines may boot at once: whatever asks between two readings
    gets the last one. The pauses between readings grow as those of a wait do.
    """

    def __init__(
        self, read: Callable[[], Machines], pace: Pace = BOOTING, clock: Clock = time
    ) -> None:
        self._read, self._pace, self._clock = read, pace, clock
        self._lock = Lock()
        self._interval = pace.interval
        self._due = clock.monotonic()
        self._last: Machines | None = None

    def __call__(self) -> Machines:
        with self._lock:
            if self._last is None or self._clock.monotonic() >= self._due:
                self._last = self._read()
                self._due = self._clock.monotonic() + self._interval
                self._interval = min(self._interval * self._pace.growth, self._pace.longest)
            return self._last


def wait_until_up(
    machine: Instance, look: Callable[[], Machines], pace: Pace = BOOTING, clock: Clock = time
) -> Instance:
    """Wait until a machine runs and has an address, and return it as it is then.

    Raises:
        JobFailed: the cloud has given the machine up.
        WaitTimedOut: it was not up in time.
    """
    if machine.is_up:
        return machine
    patient_until = clock.monotonic() + APPEARING
    listed = False

    def up() -> Instance | None:
        nonlocal listed
        seen = next((one for one in look().instances if one.id == machine.id), None)
        listed = listed or seen is not None
        if seen is None and (listed or clock.monotonic() > patient_until):
            raise JobFailed(
                f"machine {machine.id} ({machine.name}) does not exist any more: the cloud could "
                "not start it, or it was deleted; run the same command again"
            )
        return seen if seen and seen.is_up else None

    return wait_for(up, what=f"machine {machine.id} running", pace=pace, clock=clock)

"""The wait for a started machine to run and to have an address."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from domain.cloud.inventory import Machines
from domain.cloud.records import Instance
from domain.kernel.errors import JobFailed
from domain.kernel.waiting import Clock, Pace, wait_for
from domain.node.serving import find_off

BOOTING = Pace(timeout=900)
"""How long a machine may take from RunInstances to its address."""

APPEARING = 60.0
"""Seconds for which the cloud may not list an accepted machine yet."""


class SharedLook:
    """One reading of all machines, shared by all waits for one of them.

    Calls are scarce, and hundreds of machines may boot at once: between two readings every caller
    gets the last one. The pauses between readings grow as those of a wait do, and are short again
    when a wait begins while no other lasts: a process that watches a cluster waits many times.
    """

    def __init__(
        self, read: Callable[[], Machines], pace: Pace = BOOTING, clock: Clock = time
    ) -> None:
        self._read, self._pace, self._clock = read, pace, clock
        self._lock = Lock()
        self._interval = pace.interval
        self._due = clock.monotonic()
        self._last: Machines | None = None
        self._waits = 0

    def seen_up(self, machine_id: str) -> Instance | None:
        """The machine as the last reading has shown it, if it was up then."""
        last = self._last.instances if self._last else ()
        return next((one for one in last if one.id == machine_id and one.is_up), None)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around one wait."""
        with self._lock:
            self._waits += 1
            if self._waits == 1:
                self._interval = self._pace.interval
                self._due = min(self._due, self._clock.monotonic() + self._interval)
        try:
            yield
        finally:
            with self._lock:
                self._waits -= 1

    def __call__(self) -> Machines:
        with self._lock:
            if self._last is None or self._clock.monotonic() >= self._due:
                self._last = self._read()
                self._due = self._clock.monotonic() + self._interval
                self._interval = min(self._interval * self._pace.growth, self._pace.longest)
            return self._last


def wait_until_up(
    machine: Instance, look: SharedLook, pace: Pace = BOOTING, clock: Clock = time
) -> Instance:
    """Wait until a machine runs and has an address. Returns: its record at that time.

    Raises:
        JobFailed: the cloud does not list the machine any more, or it is switched off.
        WaitTimedOut: the machine was not up before the deadline.
    """
    if machine.is_up:
        return machine
    if up_already := look.seen_up(machine.id):
        return up_already
    appears_until = clock.monotonic() + APPEARING
    listed = False

    def up() -> Instance | None:
        nonlocal listed
        seen = next((one for one in look().instances if one.id == machine.id), None)
        listed = listed or seen is not None
        if seen is None and (listed or clock.monotonic() > appears_until):
            raise JobFailed(
                f"machine {machine.id} ({machine.name}) does not exist any more: the cloud could "
                "not start it, or it was deleted; run the same command again"
            )
        if seen and (fault := find_off(seen)):
            raise JobFailed(
                f"machine {machine.id} ({machine.name}): {fault}; start it in the console and run "
                "the same command again, or remove it with flows.scale, which takes broken "
                "machines first"
            )
        return seen if seen and seen.is_up else None

    with look.waiting():
        return wait_for(up, what=f"machine {machine.id} running", pace=pace, clock=clock)

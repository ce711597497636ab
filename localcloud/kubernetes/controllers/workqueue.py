"""A queue of keys: each waits at most once, is worked on by one at a time, and is retried."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from localcloud.clock import Clock
from localcloud.kubernetes.objects.failures import ApiFailure

K = TypeVar("K")

FIRST_BACKOFF = 0.005  # seconds; doubled with each failure in a row
LONGEST_BACKOFF = 30.0

EXPECTED = {404, 409, 503}
"""Somebody else was faster, or the API server stops: worth another look, not a line in the log."""

PATIENCE = 5  # expected failures in a row that are not logged

log = logging.getLogger(__name__)


class WorkQueue(Generic[K]):
    """Keys that want to be looked at, in the order in which they came.

    A key that is added while it is worked on is worked on once more, so that no change is missed
    and no key has two workers. Nothing runs while the queue is empty.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[K], Awaitable[None]],
        clock: Clock,
        rest: Callable[[K], float] | None = None,
    ) -> None:
        """Make an empty queue.

        Args:
            rest: for how many seconds of real time a key is left alone after it was worked on.
                Keeps work that grows with the number of pods from being done for each of them.
        """
        self.name = name
        self._work = work
        self._clock = clock
        self._rest = rest
        self._resting: dict[K, bool] = {}  # and whether it was added meanwhile
        self._waiting: dict[K, None] = {}
        self._filled = asyncio.Event()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.Task[None]] = {}

    def add(self, key: K) -> None:
        """Have a key looked at soon."""
        if key in self._resting:
            self._resting[key] = True
            return
        self._waiting[key] = None
        self._filled.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Have a key looked at when the clock has moved on; a later call replaces the earlier."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        self._timers[key] = asyncio.create_task(
            self._wait(key, seconds), name=f"{self.name} timer {key}"
        )

    async def run(self) -> None:
        """Work for ever."""
        try:
            while True:
                await self._filled.wait()
                while self._waiting:
                    key = next(iter(self._waiting))
                    del self._waiting[key]
                    await self._attempt(key)
                    self._begin_rest(key)
                    await asyncio.sleep(0)  # an in-process API may never have suspended us
                self._filled.clear()
        finally:
            for timer in self._timers.values():
                timer.cancel()

    def _begin_rest(self, key: K) -> None:
        seconds = self._rest(key) if self._rest is not None else 0.0
        if seconds > 0:
            self._resting[key] = self._waiting.pop(key, False) is None
            asyncio.get_running_loop().call_later(seconds, self._end_rest, key)

    def _end_rest(self, key: K) -> None:
        if self._resting.pop(key, False):
            self.add(key)

    async def _wait(self, key: K, seconds: float) -> None:
        await self._clock.sleep(max(0.0, seconds))
        self._timers.pop(key, None)
        self.add(key)

    async def _attempt(self, key: K) -> None:
        try:
            await self._work(key)
        except ApiFailure as failure:
            if failure.status not in EXPECTED or self._failures.get(key, 0) >= PATIENCE:
                log.warning("%s %s: %s", self.name, key, failure)
            self._retry(key)
        except Exception:
            log.exception("%s %s", self.name, key)
            self._retry(key)
        else:
            self._failures.pop(key, None)

    def _retry(self, key: K) -> None:
        """Add a key again after a pause of real time: a fault is ours, not of the model's time."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        pause = min(FIRST_BACKOFF * 2**failures, LONGEST_BACKOFF)
        asyncio.get_running_loop().call_later(pause, self.add, key)

"""A queue of keys: each is queued at most once, processed by one worker, and retried."""

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
"""Statuses after a concurrent write or during a stop: retried without a log line."""

PATIENCE = 5  # expected failures in a row that are not logged

log = logging.getLogger(__name__)


class WorkQueue(Generic[K]):
    """Keys to be processed, in the order of their arrival.

    A key that is added while it is processed is processed once more, so that no change is missed
    and no key has two workers. Nothing runs while the queue is empty.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[K], Awaitable[None]],
        clock: Clock,
        pause: Callable[[K], float] | None = None,
    ) -> None:
        """Create an empty queue.

        Args:
            pause: seconds of real time between two runs of a key. Limits the work for keys whose
                cost grows with the number of pods.
        """
        self.name = name
        self._work = work
        self._clock = clock
        self._pause = pause
        self._paused: dict[K, bool] = {}  # and whether it was added meanwhile
        self._waiting: dict[K, None] = {}
        self._filled = asyncio.Event()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.Task[None]] = {}

    def add(self, key: K) -> None:
        """Queue a key."""
        if key in self._paused:
            self._paused[key] = True
            return
        self._waiting[key] = None
        self._filled.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Queue a key after some seconds of the clock; a later call replaces an earlier one."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        self._timers[key] = asyncio.create_task(
            self._wait(key, seconds), name=f"{self.name} timer {key}"
        )

    async def run(self) -> None:
        """Run until cancelled."""
        try:
            while True:
                await self._filled.wait()
                while self._waiting:
                    key = next(iter(self._waiting))
                    del self._waiting[key]
                    await self._attempt(key)
                    self._begin_pause(key)
                    await asyncio.sleep(0)  # an in-process API may not have yielded to the loop
                self._filled.clear()
        finally:
            for timer in self._timers.values():
                timer.cancel()

    def _begin_pause(self, key: K) -> None:
        seconds = self._pause(key) if self._pause is not None else 0.0
        if seconds > 0:
            self._paused[key] = self._waiting.pop(key, False) is None
            asyncio.get_running_loop().call_later(seconds, self._end_pause, key)

    def _end_pause(self, key: K) -> None:
        if self._paused.pop(key, False):
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
        """Queue a key again after a backoff in real time, because failures are not simulated."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        pause = min(FIRST_BACKOFF * 2**failures, LONGEST_BACKOFF)
        asyncio.get_running_loop().call_later(pause, self.add, key)

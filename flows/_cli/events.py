"""When the events of a cluster's watches are evaluated."""

import time
from dataclasses import dataclass
from threading import Condition

GATHER = 0.2
"""Most seconds from the first event to its evaluation: pods are created in bursts."""

QUIET = 0.05
"""Seconds without a further event after which a burst counts as complete."""

REST = 2.0
"""Least time from one evaluation to the next, as a multiple of the time that the first took."""


@dataclass
class Reported:
    """The events since the last evaluation; all times are of one monotonic clock, in seconds.

    Attributes:
        began: begin of the last evaluation.
        ended: its end.
        first, last: time of the first and of the last event; None without one.
        urgent: whether one of them is about a pod that was not reported before.
    """

    began: float = 0.0
    ended: float = 0.0
    first: float | None = None
    last: float | None = None
    urgent: bool = False

    def add(self, now: float, *, urgent: bool) -> None:
        self.first = now if self.first is None else self.first
        self.last = now
        self.urgent = self.urgent or urgent

    def due(self, pause: float, every: float) -> float:
        """The time of the next evaluation, if there are no further events.

        A new pod that waits is evaluated as soon as its burst is complete, other events after the
        pause. A stream of new pods must not keep this process and the API server busy, so there is
        a rest that grows with the time that an evaluation takes.
        """
        if self.first is None or self.last is None:
            return self.ended + every
        complete = min(self.last + QUIET, self.first + GATHER)
        if not self.urgent:
            return max(complete, self.ended + pause)
        rested = self.ended + REST * (self.ended - self.began)
        return max(complete, min(rested, self.ended + pause))


class Events:
    """Receives events from several threads, and says when to evaluate."""

    def __init__(self) -> None:
        now = time.monotonic()
        self._changed = Condition()
        self._reported = Reported(began=now, ended=now)

    def report(self, *, urgent: bool = False) -> None:
        """Note an event."""
        with self._changed:
            self._reported.add(time.monotonic(), urgent=urgent)
            self._changed.notify()

    def wait(self, pause: float, every: float) -> bool:
        """Wait until the next evaluation is due, which begins then.

        Args:
            pause: seconds from the end of the last one for events that are not urgent.
            every: seconds from the end of the last one without events.

        Returns:
            Whether there was an event.
        """
        with self._changed:
            while (left := self._reported.due(pause, every) - time.monotonic()) > 0:
                self._changed.wait(left)
            had_event = self._reported.first is not None
            now = time.monotonic()
            self._reported = Reported(began=now, ended=now)
            return had_event

    def evaluated(self) -> None:
        """Note the end of an evaluation."""
        with self._changed:
            self._reported.ended = time.monotonic()

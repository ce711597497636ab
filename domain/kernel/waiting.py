"""Waits: look first, then sleep; a deadline, never a count; a clock that tests can move."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from domain.kernel.errors import TemporaryError, UnknownOutcome, Unreachable, WaitTimedOut

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait and how often to look, in seconds.

    Calls are scarce (2,000 an hour by the documentation), so the pauses grow: a wait of one minute
    costs about a dozen looks, and one of five minutes about forty.
    """

    timeout: float = 600.0
    interval: float = 0.25
    growth: float = 1.5
    longest: float = 10.0


class Clock(Protocol):
    """What a wait needs of time; the `time` module is one, tests pass a clock that jumps."""

    def monotonic(self) -> float: ...
    def sleep(self, seconds: float, /) -> None: ...


def wait_for(
    look: Callable[[], T | None],
    *,
    what: str,
    pace: Pace | None = None,
    clock: Clock = time,
) -> T:
    """Look until there is something to see, and return it.

    A `TemporaryError` or a network that is away while looking counts as seeing nothing: the next
    look may succeed.

    Args:
        look: answers None while the wanted state is not reached.
        what: the wanted state with the resource's id, for the error's sentence.

    Raises:
        WaitTimedOut: the state was not seen before the deadline; it may yet come.
    """
    pace = pace or Pace()
    deadline = clock.monotonic() + pace.timeout
    interval = pace.interval
    trouble = ""
    while True:
        try:
            seen = look()
            trouble = ""
        except (TemporaryError, Unreachable) as error:
            seen, trouble = None, f"; last error: {error}"
        if seen is not None:
            return seen
        remaining = deadline - clock.monotonic()
        if remaining <= 0:
            raise WaitTimedOut(
                f"{what}: not seen within {pace.timeout:g} s{trouble}; "
                "look at it in the cloud's console, then run the same command again"
            )
        clock.sleep(min(interval, remaining))
        interval = min(interval * pace.growth, pace.longest)


def when_free(
    act: Callable[[], T], *, what: str, pace: Pace | None = None, clock: Clock = time
) -> T:
    """Do something once the cloud stops answering "please try later", and return its answer.

    QingCloud refuses changes to what is in transition, and deletions in the first half minute of
    a billed resource's life. An unknown outcome is not repeated: the caller has to look first.
    """

    lost: list[UnknownOutcome] = []

    def attempt() -> tuple[T, ...] | None:
        try:
            return (act(),)
        except UnknownOutcome as error:  # the wait would take it for a reason to try again
            lost.append(error)
            return ()

    done = wait_for(attempt, what=what, pace=pace or Pace(timeout=240), clock=clock)
    if lost:
        raise lost[0]
    return done[0]

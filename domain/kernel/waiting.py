"""Waits: look first, then sleep; a deadline, never a count; a clock that tests can move."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from domain.kernel.errors import Refused, TemporaryError, UnknownOutcome, Unreachable, WaitTimedOut

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait and how often to look, in seconds.

    Calls are scarce (2,000 an hour by the documentation), so the pauses grow: a wait of one minute
    costs about a dozen looks, and one of five minutes about forty.

    Attributes:
        head_start: pause before the first look, where the state cannot be reached earlier.
    """

    timeout: float = 600.0
    interval: float = 0.25
    head_start: float = 0.0
    growth: float = 1.5
    longest: float = 10.0


READ_PAUSES = (0.5, 2.0)
"""Seconds before something safe to repeat is repeated, and again."""

LONGEST_PAUSE = 10.0
"""Seconds; a server that asks for a longer pause is asked again sooner, as a read is cheap."""


class Clock(Protocol):
    """The clock of a wait; the `time` module is one, tests pass a clock that jumps."""

    def monotonic(self) -> float: ...
    def sleep(self, seconds: float, /) -> None: ...


def repeat(act: Callable[[], T], pauses: Sequence[float] = READ_PAUSES, clock: Clock = time) -> T:
    """Do something that is safe to repeat, and repeat it while its error may pass.

    Args:
        pauses: seconds before each repetition; as often as there are pauses.

    Raises:
        TemporaryError: of the last attempt. Other errors are of the first attempt that has one.
    """
    for pause in pauses:
        try:
            return act()
        except TemporaryError as error:
            clock.sleep(min(max(pause, error.retry_after or 0.0), LONGEST_PAUSE))
    return act()


def wait_for(
    look: Callable[[], T | None],
    *,
    what: str,
    pace: Pace | None = None,
    clock: Clock = time,
) -> T:
    """Call `look` until it returns a value.

    A `TemporaryError` or an unreachable endpoint counts as "not yet": the next look may succeed.

    Args:
        look: returns None while the wanted state is not reached.
        what: the wanted state with the resource's id, for the error message.

    Returns:
        The first value that is not None.

    Raises:
        WaitTimedOut: the state was not reached before the deadline; it may be reached later.
    """
    pace = pace or Pace()
    deadline = clock.monotonic() + pace.timeout
    interval = pace.interval
    reason = ""
    if pace.head_start:
        clock.sleep(pace.head_start)
    while True:
        try:
            seen = look()
            reason = ""
        except (TemporaryError, Unreachable) as error:
            seen, reason = None, f"; last error: {error}"
        if seen is not None:
            return seen
        remaining = deadline - clock.monotonic()
        if remaining <= 0:
            raise WaitTimedOut(
                f"{what}: not seen within {pace.timeout:g} s{reason}; "
                "look at it in the cloud's console, then run the same command again"
            )
        clock.sleep(min(interval, remaining))
        interval = min(interval * pace.growth, pace.longest)


def when_free(
    act: Callable[[], T],
    *,
    what: str,
    pace: Pace | None = None,
    clock: Clock = time,
    refused_for: float = 0.0,
) -> T:
    """Repeat a change for as long as the cloud answers "please try later".

    QingCloud refuses changes of a resource in transition, and deletions of a billed resource in the
    first half minute after its creation. An unknown outcome is not repeated: the caller has to look
    first.

    Args:
        refused_for: seconds in which a refusal is retried as well: where `act` looks before it
            acts, an earlier attempt may still be under way.

    Returns:
        What `act` returns.

    Raises:
        UnknownOutcome: the reply of an attempt was lost.
        WaitTimedOut: the cloud was not free before the deadline.
    """
    lost: list[UnknownOutcome] = []
    retry_refusals_until = clock.monotonic() + refused_for

    def attempt() -> tuple[T, ...] | None:
        try:
            return (act(),)
        except UnknownOutcome as error:  # the wait would retry it
            lost.append(error)
            return ()
        except Refused as error:
            if clock.monotonic() >= retry_refusals_until:
                raise
            raise TemporaryError(str(error)) from error

    done = wait_for(attempt, what=what, pace=pace or Pace(timeout=240), clock=clock)
    if lost:
        raise lost[0]
    return done[0]

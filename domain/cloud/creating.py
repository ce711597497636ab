"""Creating something once, although a reply may be lost and its call may act late."""

import time
from collections.abc import Callable
from typing import TypeVar

from domain.kernel.errors import TemporaryError, UnknownOutcome, WaitTimedOut
from domain.kernel.waiting import Clock, Pace, wait_for

T = TypeVar("T")

ACTING = Pace(timeout=150, interval=2.0)
"""How long a call may still act after its reply was lost: a reply is waited for a minute, and a
gateway may have queued the call for as long. Another create before that could be a second one."""


def create_once(
    create: Callable[[], T], look: Callable[[], T | None], *, what: str, clock: Clock = time
) -> T:
    """Create something that has a name, and after a lost reply look for it.

    Args:
        create: sends the call, and returns the id of what was created.
        look: asks the cloud; returns the id of what exists now, or None.
        what: the resource with its name, for the error's sentence.

    Raises:
        TemporaryError: the reply was lost, and nothing was created for as long as the call could
            act, so another attempt is safe.
    """
    try:
        return create()
    except UnknownOutcome as lost:
        try:
            return wait_for(look, what=what, pace=ACTING, clock=clock)
        except WaitTimedOut:
            raise TemporaryError(
                f"{lost} {what} did not appear within {ACTING.timeout:g} s, so it is created again"
            ) from lost

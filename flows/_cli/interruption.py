"""How a command ends before its time: by Ctrl-C, or by SIGTERM from systemd, a container or CI.

Both are one interruption, and only the exit codes differ. A signal raises KeyboardInterrupt, which
may arrive as another error, or not at all, where foreign code swallows it: hence it is noted, too.
While a flow runs, SIGTERM is Prefect's: it ends the run, and then sends the signal again, to us.
"""

import atexit
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from signal import ITIMER_REAL, SIG_IGN, SIGALRM, SIGINT, SIGTERM, setitimer, signal
from types import FrameType
from typing import NoReturn

from prefect.exceptions import TerminationSignal

from flows._cli.terminal import Steps, end_at_once, say
from tasks.steps import is_interruption

AGAIN = 0.01
"""Seconds after which an interruption that was swallowed comes again."""

Hook = Callable[["sys.UnraisableHookArgs"], object]  # a name that only type checkers know

INTERRUPTED = "interrupted; nothing is lost, and the same command goes on where this one ended"


class Interrupted(Exception):
    """Somebody has ended the command.

    Attributes:
        code: the exit code: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self, code: int) -> None:
        super().__init__(INTERRUPTED)
        self.code = code


@dataclass
class _Command:
    """What signals need to know of the one command of this process."""

    heard: int = 0  # number of the first signal
    is_over: bool = False
    steps: Steps | None = None


_command = _Command()


@contextmanager
def interruptible() -> Iterator[None]:
    """Hear signals from now on, to the end of the process.

    Raises:
        Interrupted: a signal has ended what is inside, whatever came out of it.
    """
    for number in (SIGINT, SIGTERM):
        signal(number, _hear)
    atexit.register(_hear_no_more)
    sys.unraisablehook = partial(_raise_again, sys.unraisablehook)
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if is_interrupted(error):
            # Where KeyboardInterrupt has passed through exec() of a text, as in the making of a
            # dataclass, `python -m` dies of SIGINT in the end, unless another exec() ends well.
            exec("")  # noqa: S102
            raise Interrupted(128 + (_command.heard or SIGTERM)) from error
        raise
    finally:
        _command.is_over = True


@contextmanager
def naming(steps: Steps) -> Iterator[None]:
    """Let the first signal say which steps it waits for."""
    _command.steps = steps
    try:
        yield
    finally:
        _command.steps = None


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Do what lasts until somebody ends it, which is how it ends well."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if not is_interrupted(error):
            raise


def is_interrupted(error: BaseException | None = None) -> bool:
    """Whether a signal has come, or an error tells of one that only Prefect has heard."""
    return bool(_command.heard) or (error is not None and is_interruption(error))


def _raise_again(tell: Hook, lost: "sys.UnraisableHookArgs") -> None:
    """Interrupt once more where a destructor, or a weak reference's callback, has swallowed it."""
    error = lost.exc_value
    if not isinstance(error, KeyboardInterrupt | TerminationSignal):
        tell(lost)
    elif not _command.is_over:

        def interrupt(number: int, frame: FrameType | None) -> NoReturn:
            raise error

        signal(SIGALRM, interrupt)
        setitimer(ITIMER_REAL, AGAIN)


def _hear_no_more() -> None:
    """Ignore signals while Python takes itself down: it would first let them kill the process."""
    for number in (SIGINT, SIGTERM):
        signal(number, SIG_IGN)


def _hear(number: int, frame: FrameType | None) -> None:
    """Let the first signal wait for the steps under way, and the second one leave at once.

    Leaving loses nothing: it is what a power cut does, and the same command goes on after both.
    """
    if _command.heard:
        if _command.is_over:  # and all is said
            os._exit(128 + number)
        end_at_once(INTERRUPTED, 128 + number)
    _command.heard = number
    if _command.is_over:
        return
    if _command.steps and (waits := ", ".join(_command.steps.running)):
        again = "; press Ctrl-C again to leave at once" if number == SIGINT else ""
        say(f"Ending {waits}{again}")
    raise KeyboardInterrupt

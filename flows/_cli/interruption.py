"""The interruption of a command: by Ctrl-C, or by SIGTERM from systemd, a container or CI.

Both are handled alike, except for the exit code. A signal raises KeyboardInterrupt, which may
arrive as another error, or not at all, where foreign code swallows it: hence it is recorded as
well. While a flow runs, Prefect handles SIGTERM: it ends the run, and then sends it again, to us.
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

from flows._cli.terminal import Steps, end_at_once, print_line
from tasks.steps import is_interruption

REPEAT_AFTER = 0.01
"""Seconds after which a swallowed interruption is raised again."""

Hook = Callable[["sys.UnraisableHookArgs"], object]  # a name that only type checkers know

INTERRUPTED = "interrupted; nothing is lost, and the same command continues where this one ended"


class Interrupted(Exception):
    """The command was ended by a signal.

    Attributes:
        code: the exit code: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self, code: int) -> None:
        super().__init__(INTERRUPTED)
        self.code = code


@dataclass
class _Command:
    """The state of the command of this process, for signal handlers."""

    received: int = 0  # number of the first signal
    is_over: bool = False
    steps: Steps | None = None


_command = _Command()


@contextmanager
def interruptible() -> Iterator[None]:
    """Handle signals from now on, to the end of the process.

    Raises:
        Interrupted: a signal has ended the block, whichever error came out of it.
    """
    for number in (SIGINT, SIGTERM):
        signal(number, _on_signal)
    atexit.register(_ignore_signals)
    sys.unraisablehook = partial(_raise_again, sys.unraisablehook)
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if is_interrupted(error):
            # Where KeyboardInterrupt has passed through exec() of a text, as in the making of a
            # dataclass, `python -m` dies of SIGINT in the end, unless another exec() ends well.
            exec("")  # noqa: S102
            raise Interrupted(128 + (_command.received or SIGTERM)) from error
        raise
    finally:
        _command.is_over = True


@contextmanager
def naming(steps: Steps) -> Iterator[None]:
    """Let the first signal print which steps it waits for."""
    _command.steps = steps
    try:
        yield
    finally:
        _command.steps = None


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Run a block that lasts until an interruption, which is then its success."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if not is_interrupted(error):
            raise


def is_interrupted(error: BaseException | None = None) -> bool:
    """Whether a signal was received, or an error is caused by one that only Prefect received."""
    return bool(_command.received) or (error is not None and is_interruption(error))


def _raise_again(default: Hook, lost: "sys.UnraisableHookArgs") -> None:
    """Raise an interruption again that a destructor or a weak reference's callback swallowed."""
    error = lost.exc_value
    if not isinstance(error, KeyboardInterrupt | TerminationSignal):
        default(lost)
    elif not _command.is_over:

        def interrupt(number: int, frame: FrameType | None) -> NoReturn:
            raise error

        signal(SIGALRM, interrupt)
        setitimer(ITIMER_REAL, REPEAT_AFTER)


def _ignore_signals() -> None:
    """Ignore signals while Python shuts down: their default, restored then, kills the process."""
    for number in (SIGINT, SIGTERM):
        signal(number, SIG_IGN)


def _on_signal(number: int, frame: FrameType | None) -> None:
    """Wait for the steps under way at the first signal, and end at once at the second one.

    Ending at once loses nothing: the same command continues, as after a power cut.
    """
    if _command.received:
        if _command.is_over:  # everything is printed
            os._exit(128 + number)
        end_at_once(INTERRUPTED, 128 + number)
    _command.received = number
    if _command.is_over:
        return
    if _command.steps and (waits := ", ".join(_command.steps.running)):
        again = "; press Ctrl-C again to end at once" if number == SIGINT else ""
        print_line(f"Ending {waits}{again}")
    raise KeyboardInterrupt

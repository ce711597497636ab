"""Steps: what a person would name, as Prefect tasks that tell what they did.

A step's function returns an `Ensured`; the task that it becomes returns the value inside, and the
words go to whoever listens: the terminal, the run's log, the time line. A step that has failed is
told as one there, whether its error ends the run or the run goes on without it.
"""

import functools
import inspect
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from threading import Lock
from typing import Any, ParamSpec, Protocol, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import MissingContextError, TerminationSignal
from prefect.logging import get_run_logger
from pydantic_core import PydanticSerializationError

from domain.kernel.ensured import Ensured
from domain.kernel.errors import TemporaryError, Unreachable
from domain.reports.cluster import Step, Timeline

P = ParamSpec("P")
T = TypeVar("T")


class Listener(Protocol):
    """Hears of steps, which may run at the same time in several threads."""

    def started(self, name: str) -> None: ...
    def finished(self, name: str, outcome: str, seconds: float) -> None: ...
    def failed(self, name: str, message: str, seconds: float) -> None: ...
    def progress(self, name: str, text: str) -> None: ...


_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let a listener hear of every step that starts inside, tasks in other threads included."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


class Recorder:
    """Keeps the time line of one run."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._steps: list[Step] = []

    def started(self, name: str) -> None:
        """Nothing to note: a step's start follows from its end and its seconds."""

    def finished(self, name: str, outcome: str, seconds: float) -> None:
        self._add(name, outcome, seconds, failed=False)

    def failed(self, name: str, message: str, seconds: float) -> None:
        self._add(name, message, seconds, failed=True)

    def progress(self, name: str, text: str) -> None:
        """Not part of a time line."""

    def timeline(self, title: str) -> Timeline:
        with self._lock:
            return Timeline(title, tuple(sorted(self._steps, key=lambda step: step.started)))

    def _add(self, name: str, outcome: str, seconds: float, *, failed: bool) -> None:
        ended = datetime.now(UTC)
        started = datetime.fromtimestamp(ended.timestamp() - seconds, UTC)
        with self._lock:
            self._steps.append(Step(name, started, ended, outcome, failed))


def is_temporary(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Let Prefect try again only where the error itself says that this can help.

    An endpoint that cannot be reached is a wrong one when a command begins, which is checked
    before the first step; in the middle of a run it is a network that comes back.
    """
    error = state.result(raise_on_failure=False)
    return isinstance(error, TemporaryError | Unreachable)


def step(name: str) -> Callable[[Callable[P, Ensured[T]]], Task[P, T]]:
    """Make a Prefect task of a function that ensures something.

    Args:
        name: what a person would call it; `{argument}` is filled in, as in Prefect's run names.
    """

    def wrap(function: Callable[P, Ensured[T]]) -> Task[P, T]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            title = name.format(**bound.arguments)
            with _told(title) as tell:
                done = function(*args, **kwargs)
                tell(done)
            return done.value

        return task(
            name=function.__name__.replace("_", "-"),
            task_run_name=name,
            retries=3,
            # What a lost reply has made must have time to show before anyone looks for it.
            retry_delay_seconds=[10, 20, 40],
            retry_condition_fn=is_temporary,
            cache_policy=NO_CACHE,  # a remembered answer would hide what was deleted since
            persist_result=False,
        )(run)

    return wrap


def is_interruption(error: BaseException) -> bool:
    """Whether an error is somebody's ending the run, or comes of it.

    pydantic, with which Prefect serializes at each step, makes an error of its own of whatever
    comes up meanwhile; only its words still tell what that was.
    """
    return any(map(_tells_of_interruption, _chain(error)))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came of, each once: such a chain may be a ring."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _tells_of_interruption(error: BaseException) -> bool:
    if isinstance(error, KeyboardInterrupt | TerminationSignal):
        return True
    return isinstance(error, PydanticSerializationError) and bool(_NAMES.search(str(error)))


_NAMES = re.compile(r"\b(KeyboardInterrupt|TerminationSignal)\b")


def say_error(error: BaseException) -> str:
    """Say in a few words why something was not finished."""
    if is_interruption(error):
        return "interrupted"
    return str(error) or type(error).__name__


_current: ContextVar[str] = ContextVar("step", default="")


def tell_progress(text: str) -> None:
    """Say how far the present step is, in a few words."""
    for listener in _listeners.get():
        listener.progress(_current.get(), text)
    run_logger().debug("%s: %s", _current.get(), text)


def run_logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """The log of the present run, or a plain one outside of runs."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("tasks")


@contextmanager
def _told(title: str) -> Iterator[Callable[[Ensured[Any]], None]]:
    outcome: list[Ensured[Any]] = []
    began = time.monotonic()
    token = _current.set(title)
    for listener in _listeners.get():
        listener.started(title)
    try:
        yield outcome.append
    except BaseException as error:
        for listener in _listeners.get():
            listener.failed(title, say_error(error), time.monotonic() - began)
        raise
    else:
        (done,) = outcome
        for listener in _listeners.get():
            tell = listener.failed if done.failed else listener.finished
            tell(title, done.did, time.monotonic() - began)
        level = logging.WARNING if done.failed else logging.INFO
        run_logger().log(level, "%s: %s", title, done.did)
    finally:
        _current.reset(token)

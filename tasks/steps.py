"""Steps: what a person would name, each a Prefect task that reports what it did.

A step's function returns an `Ensured`; the step returns the value inside, and the words go to the
listeners: the terminal, the run's log, the time line. A failed step is reported as one, whether its
error ends the run or the run continues without it.

A runbook gives its steps to an executor (`tasks.executors`), so it is the same under Prefect, where
each step is a task run, and in a test.
"""

import functools
import inspect
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import MissingContextError, TerminationSignal
from prefect.logging import get_run_logger
from pydantic_core import PydanticSerializationError

from domain.kernel.ensured import Ensured
from domain.kernel.errors import TemporaryError, Unreachable
from domain.reports.cluster import Step as TimedStep
from domain.reports.cluster import Timeline
from tasks.cluster import Cluster

P = ParamSpec("P")
T = TypeVar("T")

RETRY_PAUSES = (10.0, 20.0, 40.0)
"""Seconds before each further attempt: what a lost reply has made must have time to show."""


class Listener(Protocol):
    """Receives the events of steps, which may run at the same time in several threads."""

    def started(self, name: str) -> None: ...
    def finished(self, name: str, outcome: str, seconds: float) -> None: ...
    def failed(self, name: str, message: str, seconds: float) -> None: ...
    def progress(self, name: str, text: str) -> None: ...


_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Notify a listener of every step that starts inside, tasks in other threads included."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


class Recorder:
    """Keeps the time line of one run."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._steps: list[TimedStep] = []

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
            self._steps.append(TimedStep(name, started, ended, outcome, failed))


class Step(Generic[P, T]):
    """One step of a runbook. Calling it runs it once, with its report and without a retry.

    Attributes:
        function: what it does; returns an `Ensured`.
        task: the same as a Prefect task, which repeats it after an error that may pass.
    """

    def __init__(self, title: str, function: Callable[P, Ensured[T]]) -> None:
        self.function = function
        self._title = title
        self._signature = inspect.signature(function)
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        title = self._title.format(**bound.arguments)
        with _reported(title) as report, _looking_again_after_errors(args):
            done = self.function(*args, **kwargs)
            report(done)
        return done.value

    @functools.cached_property
    def task(self) -> Task[P, T]:
        # Prefect reads name and parameters from a function, so it gets one.
        @functools.wraps(self.function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            return self(*args, **kwargs)

        return task(
            name=self.function.__name__.replace("_", "-"),
            task_run_name=self._title,
            retries=len(RETRY_PAUSES),
            retry_delay_seconds=list(RETRY_PAUSES),
            retry_condition_fn=_may_pass,
            cache_policy=NO_CACHE,  # a remembered answer would hide what was deleted since
            persist_result=False,
        )(run)


def step(title: str) -> Callable[[Callable[P, Ensured[T]]], Step[P, T]]:
    """Make a step of a function that ensures something.

    Args:
        title: what a person would call it; `{argument}` is filled in, as in Prefect's run names.
    """
    return functools.partial(Step, title)


def is_temporary(error: object) -> bool:
    """Whether an error itself says that another attempt can help.

    An endpoint that cannot be reached is a wrong one when a command begins, which is checked
    before the first step; in the middle of a run it is a network that comes back.
    """
    return isinstance(error, TemporaryError | Unreachable)


def _may_pass(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    return is_temporary(state.result(raise_on_failure=False))


def is_interruption(error: BaseException) -> bool:
    """Whether an error is a signal that ends the run, or comes of one.

    pydantic, with which Prefect serializes at each step, makes an error of its own of whatever
    is raised meanwhile; only its words still name the signal.
    """
    return any(map(_names_a_signal, _chain(error)))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, each once: such a chain may be a ring."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _names_a_signal(error: BaseException) -> bool:
    if isinstance(error, KeyboardInterrupt | TerminationSignal):
        return True
    return isinstance(error, PydanticSerializationError) and bool(_NAMES.search(str(error)))


_NAMES = re.compile(r"\b(KeyboardInterrupt|TerminationSignal)\b")


def describe_error(error: BaseException) -> str:
    """Describe in a few words why something was not finished."""
    if is_interruption(error):
        return "interrupted"
    return str(error) or type(error).__name__


_current: ContextVar[str] = ContextVar("step", default="")


def report_progress(text: str) -> None:
    """Report how far the present step is, in a few words."""
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
def _looking_again_after_errors(args: Sequence[object]) -> Iterator[None]:
    """Let the next attempt ask the cloud anew: what was read before an error may have led to it."""
    try:
        yield
    except BaseException:
        for cluster in args:
            if isinstance(cluster, Cluster):
                cluster.look_again()
        raise


@contextmanager
def _reported(title: str) -> Iterator[Callable[[Ensured[Any]], None]]:
    outcome: list[Ensured[Any]] = []
    began = time.monotonic()
    token = _current.set(title)
    for listener in _listeners.get():
        listener.started(title)
    try:
        yield outcome.append
    except BaseException as error:
        for listener in _listeners.get():
            listener.failed(title, describe_error(error), time.monotonic() - began)
        raise
    else:
        (done,) = outcome
        for listener in _listeners.get():
            report = listener.failed if done.failed else listener.finished
            report(title, done.did, time.monotonic() - began)
        level = logging.WARNING if done.failed else logging.INFO
        run_logger().log(level, "%s: %s", title, done.did)
    finally:
        _current.reset(token)

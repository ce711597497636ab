"""Steps: the named parts of a run, each a Prefect task that reports what it did.

A step's function returns an `Ensured`; the step returns the value inside, and reports `did` to the
listeners: the terminal, the run's log, the time line. A failed step is reported as failed, whether
its error ends the run or the run continues without it.

A runbook passes its steps to an executor (`tasks.executors`), so it is the same in a test and under
Prefect, where each step is a task run.
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
"""Seconds before each further attempt: a resource created by a lost call must be listed by then."""


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
        """Not recorded: a step's start follows from its end and its seconds."""

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
        function: the plain function; returns an `Ensured`.
        task: the step as a Prefect task, which retries it after a temporary error.
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
        with _reported(title) as report, _reading_again_after_errors(args):
            for cluster in args:
                if isinstance(cluster, Cluster):
                    cluster.check_claim()
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
            cache_policy=NO_CACHE,  # a cached result would hide later deletions
            persist_result=False,
        )(run)


def step(title: str) -> Callable[[Callable[P, Ensured[T]]], Step[P, T]]:
    """Make a step of a function that ensures something.

    Args:
        title: its name in reports; `{argument}` is filled in, as in Prefect's run names.
    """
    return functools.partial(Step, title)


def is_temporary(error: object) -> bool:
    """Whether another attempt can succeed after this error.

    An unreachable endpoint is retried as well: a wrong one is found before the first step, so in
    the middle of a run the network is interrupted.
    """
    return isinstance(error, TemporaryError | Unreachable)


def _may_pass(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    return is_temporary(state.result(raise_on_failure=False))


def is_interruption(error: BaseException) -> bool:
    """Whether an error is a signal that ends the run, or is caused by one.

    pydantic, with which Prefect serializes at each step, raises an error of its own in place of any
    other; only its message still names the signal.
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
    """Describe in a few words why a step was not finished."""
    if is_interruption(error):
        return "interrupted"
    return str(error) or type(error).__name__


_current: ContextVar[str] = ContextVar("step", default="")


def report_progress(text: str) -> None:
    """Report the progress of the present step, in a few words."""
    for listener in _listeners.get():
        listener.progress(_current.get(), text)
    run_logger().debug("%s: %s", _current.get(), text)


def run_logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """The logger of the present run, or a plain one outside of runs."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("tasks")


@contextmanager
def _reading_again_after_errors(args: Sequence[object]) -> Iterator[None]:
    """After an error, drop what was read of the cloud: it may have caused the error."""
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

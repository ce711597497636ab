"""What runs the steps of a runbook: Prefect, or a plain executor that needs no server."""

import time
from collections.abc import Sequence
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from prefect import Task
from prefect.context import TagsContext
from prefect.futures import PrefectFuture

from domain.kernel.waiting import Clock
from tasks.steps import RETRY_PAUSES, Step, is_temporary

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Running(Protocol[T_co]):
    """A step that was started."""

    def result(self) -> T_co:
        """Wait for its end, and return its value or raise its error."""
        ...


class Steps(Protocol):
    """Runs the steps of a runbook."""

    def run(self, step: Step[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a step to its end, repeated while its errors may pass."""
        ...

    def start(self, step: Step[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Running[T]:
        """Start a step beside what follows."""
        ...

    def start_after(
        self, earlier: Running[object], step: Step[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Running[T]:
        """Start a step once an earlier one has ended well; otherwise it fails, too, unstarted."""
        ...


class PrefectSteps:
    """Each step is a task run of the present flow run; its task runner says how many at once.

    The run's tags stay with the run. Before each tagged step Prefect asks the server for the limits
    of its tags, and when SQLite is busy, the step begins two seconds later.
    """

    def __init__(self, pauses: Sequence[float] = RETRY_PAUSES) -> None:
        """Take the seconds before each further attempt of a step."""
        self._pauses = pauses

    def _task(self, step: Step[P, T]) -> Task[P, T]:
        if self._pauses == RETRY_PAUSES:
            return step.task
        return step.task.with_options(retry_delay_seconds=list(self._pauses))

    def run(self, step: Step[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        with TagsContext():
            return self._task(step)(*args, **kwargs)

    def start(self, step: Step[P, T], /, *args: P.args, **kwargs: P.kwargs) -> PrefectFuture[T]:
        with TagsContext():
            return self._task(step).submit(*args, **kwargs)

    def start_after(
        self, earlier: Running[object], step: Step[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> PrefectFuture[T]:
        assert isinstance(earlier, PrefectFuture)
        after: Any = {"wait_for": [earlier]}  # beside the step's own arguments
        with TagsContext():
            return self._task(step).submit(*args, **kwargs, **after)


class _Ended(Generic[T]):
    """A step that has ended, well or not."""

    def __init__(self, values: Sequence[T], error: Exception | None) -> None:
        self._values, self._error = values, error

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._values[0]


class PlainSteps:
    """Each step runs in the caller's thread, in the order of the runbook, and without a server.

    Its retries and reports are those of production; an error is raised where the runbook asks for
    the result, as under Prefect.
    """

    def __init__(self, clock: Clock = time) -> None:
        self._clock = clock

    def run(self, step: Step[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        for pause in RETRY_PAUSES:
            try:
                return step(*args, **kwargs)
            except Exception as error:
                if not is_temporary(error):
                    raise
                self._clock.sleep(pause)
        return step(*args, **kwargs)

    def start(self, step: Step[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Running[T]:
        try:
            return _Ended([self.run(step, *args, **kwargs)], None)
        except Exception as error:
            return _Ended([], error)

    def start_after(
        self, earlier: Running[object], step: Step[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Running[T]:
        try:
            earlier.result()
        except Exception as error:
            return _Ended([], error)
        return self.start(step, *args, **kwargs)

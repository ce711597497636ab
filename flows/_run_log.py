"""What the log of a deployed run says of an error.

Prefect logs a failed run with its traceback, twice. Our errors say what happened and what to do; a
filter of the standard library's, set by one of Prefect's hooks, lets the log say just that.
"""

import logging
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging import get_logger

from domain.kernel.errors import ClusterError

LOGGERS = ("task_runs", "flow_runs")


class _OneSentence(logging.Filter):
    """Puts our error's words in place of its traceback, once; with the level DEBUG both stay."""

    def __init__(self) -> None:
        super().__init__()
        self._told: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        logger = logging.getLogger(record.name)
        if not isinstance(error, ClusterError) or logger.isEnabledFor(logging.DEBUG):
            return True
        if error is self._told:
            return False
        self._told = error
        record.msg, record.args = f"{type(error).__name__}: {error}", ()
        record.exc_info = None
        return True


def tell_errors_in_one_sentence(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Let a deployed run tell an error of ours in one sentence: an `on_running` hook.

    It is set where the run is: a deployment's own steps are taken in another process.
    """
    if flow_run.deployment_id is None:  # typed by somebody, who gets the sentence from the command
        return
    told_once = _OneSentence()
    for name in LOGGERS:
        get_logger(name).addFilter(told_once)

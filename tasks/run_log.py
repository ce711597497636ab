"""Errors in the log of a deployed run.

Prefect logs a failed run with its traceback, twice. The message of our errors is enough; a filter
of the standard library, set by one of Prefect's hooks, logs only that.
"""

import logging
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging import get_logger

from domain.kernel.errors import ClusterError

LOGGERS = ("task_runs", "flow_runs")


class _OneSentence(logging.Filter):
    """Logs the message of our error instead of its traceback, once; at level DEBUG both."""

    def __init__(self) -> None:
        super().__init__()
        self._logged: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        logger = logging.getLogger(record.name)
        if not isinstance(error, ClusterError) or logger.isEnabledFor(logging.DEBUG):
            return True
        if error is self._logged:
            return False
        self._logged = error
        record.msg, record.args = f"{type(error).__name__}: {error}", ()
        record.exc_info = None
        return True


def log_errors_in_one_sentence(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Make a deployed run log an error of ours in one sentence: an `on_running` hook.

    It is set in the process of the run: a deployment's own steps run in another one.
    """
    if flow_run.deployment_id is None:  # a command, which prints the sentence itself
        return
    one_sentence = _OneSentence()
    for name in LOGGERS:
        get_logger(name).addFilter(one_sentence)

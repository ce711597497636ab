"""What the log of a run leaves out.

Each step logs what it did, so Prefect's line on the state of each step is noise. Prefect logs a
failed run with its traceback, twice; in a deployed run the message of our errors is enough. Filters
of the standard library, set by one of Prefect's hooks, see to both.
"""

import logging
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging import get_logger

from domain.kernel.errors import ClusterError

STEPS = "task_runs"
LOGGERS = (STEPS, "flow_runs")


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


def _is_no_state(record: logging.LogRecord) -> bool:
    """Whether a line of a step is more than its state; failures are logged with their reason."""
    return not str(record.msg).startswith("Finished in state")


def keep_log_short(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Leave noise out of the log of a run: an `on_running` hook.

    It is set in the process of the run: a deployment's own steps run in another one.
    """
    get_logger(STEPS).addFilter(_is_no_state)  # once, however often it is called
    if flow_run.deployment_id is None:  # a command, which prints the sentence itself
        return
    one_sentence = _OneSentence()
    for name in LOGGERS:
        get_logger(name).addFilter(one_sentence)

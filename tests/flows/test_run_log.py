"""What the log of a deployed run leaves out."""

import logging
from collections.abc import Iterator
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.logging import get_logger
from prefect.states import Running

from domain.kernel.errors import NotFound
from flows.teardown import teardown
from tasks.run_log import LOGGERS, STEPS, keep_log_short

MISSING = NotFound("there is no cluster demo in zone pek3")


class Kept(logging.Handler):
    """Keeps what a person would read."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def kept() -> Iterator[Kept]:
    """The log of a run that is deployed."""
    handler = Kept()
    loggers = [get_logger(name) for name in LOGGERS]
    before = [list(logger.filters) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
    run = FlowRun(flow_id=uuid4(), deployment_id=uuid4())
    keep_log_short(teardown, run, Running())
    yield handler
    for logger, filters in zip(loggers, before, strict=True):
        logger.removeHandler(handler)
        logger.filters = filters


def fail(error: Exception, name: str = LOGGERS[0]) -> None:
    try:
        raise error
    except Exception as caught:
        get_logger(name).exception("Encountered exception during execution: %r", caught)


def test_an_error_of_ours_is_logged_once_and_in_one_sentence(kept: Kept) -> None:
    for name in LOGGERS:  # the task's log, and then the flow's
        fail(MISSING, name)
    assert kept.lines == ["NotFound: there is no cluster demo in zone pek3"]


def test_an_unexpected_error_keeps_its_traceback(kept: Kept) -> None:
    fail(KeyError("x"))
    (line,) = kept.lines
    assert "Traceback" in line
    assert "KeyError" in line


def test_level_debug_keeps_the_traceback_of_our_errors(kept: Kept) -> None:
    logger = get_logger(LOGGERS[0])
    level = logger.level
    logger.setLevel(logging.DEBUG)
    fail(MISSING)
    logger.setLevel(level)
    assert "Traceback" in kept.lines[0]


def test_a_step_logs_what_it_did_and_not_its_state(kept: Kept) -> None:
    logger = get_logger(STEPS)
    logger.log(logging.INFO, "Finished in state %s", "Completed()")
    logger.log(logging.WARNING, "router of demo: kept")
    assert kept.lines == ["router of demo: kept"]

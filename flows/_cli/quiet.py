"""Prefect's log on the terminal."""

import logging

from prefect.logging.handlers import PrefectConsoleHandler


def quiet_prefect() -> None:
    """Keep Prefect's log, tracebacks included, out of the terminal; its server still gets it all.

    A filter, because Prefect sets the levels of its handlers again whenever a run starts.
    """
    logging.raiseExceptions = False  # nor a failure to send the log to its server
    for name in ("", "prefect", "prefect._internal"):
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, PrefectConsoleHandler):
                handler.addFilter(_is_critical)


def _is_critical(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.CRITICAL

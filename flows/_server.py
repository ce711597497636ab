"""The Prefect server of one command: found, checked, and watched while the command runs."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event, Lock, Thread
from urllib.parse import urlsplit

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_HOME,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from blocks.prefect_server import configured_server, find_running_server, noted_server, refusal
from domain.kernel.errors import BadRequest, ClusterError, Unreachable
from flows._terminal import end_at_once

ROOM = 4 * 1024 * 1024
"""Bytes that Prefect's database and its journal need to begin with."""

STARTUP_SECONDS = 120
"""For Prefect's own short-lived server; its 20 s are too few for a busy machine."""

PATIENCE = 45.0
"""Seconds that a server may be gone: a restart takes less, and Prefect's calls are repeated."""

LOOK = 5.0
"""Seconds between two looks at the server."""


SERVER_ERRORS = (HTTPError, PrefectException)
"""What a call to a Prefect server raises that does not answer."""

_last_words: list[Callable[[], None]] = []
_ending = Lock()


def say_silent(error: Exception) -> str:
    """What to tell of one of `SERVER_ERRORS` where a command goes on all the same."""
    return f"the Prefect server does not answer: {error or type(error).__name__}"


@contextmanager
def prefect_server(
    say: Callable[[str], None], *, debug: bool, lasting: bool = False
) -> Iterator[None]:
    """Use the configured Prefect server, else this user's own, else one that lives for this run.

    A server that goes away for good ends the process with exit code 1: Prefect itself would go on
    asking it, for a minute at each step.

    Args:
        lasting: the command waits for the server to come back, however long that takes.

    Raises:
        Unreachable: the configured one does not answer.
        BadRequest: there is no room for the database of a short-lived one.
    """
    url = configured_server()
    if url:
        _check_health(url)
    url = url or find_running_server()
    with _served_by(url, debug=debug, lasting=lasting) if url else _short_lived(say):
        yield


@contextmanager
def _served_by(url: str, *, debug: bool, lasting: bool) -> Iterator[None]:
    # A heartbeat's thread ends within a second, and the end of a run waits for it.
    unless_set = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings({PREFECT_API_URL: url}, set_defaults=unless_set):
        # What has answered and does not listen is behind a proxy: nothing can be told of it.
        if lasting or not listens(url):
            yield
            return
        with watched(url, partial(_end, url)):
            try:
                yield
            except ClusterError:
                raise
            except Exception:
                if debug or listens(url):
                    raise
                _end(url)


@contextmanager
def _short_lived(say: Callable[[str], None]) -> Iterator[None]:
    if (noted := noted_server()) and (why := refusal(noted)):
        say(f"Prefect: {why}")
    _check_room(Path(PREFECT_HOME.value()))
    settings = {
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: STARTUP_SECONDS,
        PREFECT_SERVER_ANALYTICS_ENABLED: False,
    }
    with temporary_settings(settings):
        yield


@contextmanager
def watched(
    url: str, on_gone: Callable[[], object], patience: float = PATIENCE, look: float = LOOK
) -> Iterator[None]:
    """Call `on_gone` from a thread once nobody has listened at `url` for `patience` seconds."""
    over = Event()

    def watch() -> None:
        seen = time.monotonic()
        while not over.wait(look):
            if listens(url):
                seen = time.monotonic()
            elif time.monotonic() - seen >= patience:
                on_gone()
                return

    Thread(target=watch, name="server watch", daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def last_words(tell: Callable[[], None]) -> Iterator[None]:
    """Have something told, too, should the process end inside because its server has gone."""
    _last_words.append(tell)
    try:
        yield
    finally:
        _last_words.remove(tell)


def listens(url: str) -> bool:
    """Whether somebody takes connections there; a server that is only slow does."""
    place = urlsplit(url)
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        with socket.create_connection((place.hostname, port), timeout=10):
            return True
    except OSError:
        return False


def _end(url: str) -> None:
    _ending.acquire()  # for good: both the watch and the run itself may notice, and one tells
    for tell in tuple(_last_words):
        tell()
    end_at_once(
        f"the Prefect server at {url} has gone away in the middle of the run; start it again, for "
        "example with: make server. Nothing is lost, and the same command then goes on where this "
        "one ended",
        1,
    )


def _check_health(url: str) -> None:
    with get_client(sync_client=True) as client:
        trouble = client.api_healthcheck()
    if trouble:
        raise Unreachable(
            f"no Prefect server answers at {url} ({trouble}); start it, or leave "
            "PREFECT_API_URL unset to use the one of: make server"
        )


def _check_room(folder: Path) -> None:
    """Refuse a folder in which Prefect's own short-lived server could not keep its database.

    Raises:
        BadRequest: it cannot be written, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM))
            file.flush()
    except OSError as error:
        raise BadRequest(
            f"{folder} cannot be written ({error.strerror}); make room, or name another folder "
            "with PREFECT_HOME"
        ) from error

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
    PREFECT_API_AUTH_STRING,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_HOME,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    PREFECT_SERVER_API_AUTH_STRING,
    PREFECT_SERVER_CORS_ALLOWED_ORIGINS,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from blocks.prefect_server import (
    client_settings,
    configured_server,
    find_running_server,
    make_auth,
    noted_server,
    refusal,
)
from blocks.server_calls import PATIENCE
from domain.kernel.errors import BadRequest, ClusterError, Unreachable
from flows._cli.terminal import end_at_once

ROOM = 4 * 1024 * 1024
"""Bytes that Prefect's database and its journal need at first."""

STARTUP_SECONDS = 120
"""For Prefect's temporary server; its default of 20 s is too short for a busy machine."""

CHECK_EVERY = 5.0
"""Seconds between two checks of the server."""

SERVER_ERRORS = (HTTPError, PrefectException)
"""The errors of a call to a Prefect server that does not answer."""

_at_loss: list[Callable[[], None]] = []
_ending = Lock()


def describe_silent(error: Exception) -> str:
    """Describe one of `SERVER_ERRORS`, for a command that continues."""
    return f"the Prefect server does not answer: {error or type(error).__name__}"


@contextmanager
def prefect_server(
    print_line: Callable[[str], None], *, debug: bool, lasting: bool = False
) -> Iterator[None]:
    """Use the configured Prefect server, else this user's own, else a temporary one for this run.

    A server that is lost ends the process with exit code 1: Prefect itself would retry each step's
    calls for a minute.

    Args:
        lasting: the command waits until the server answers again, however long that takes.

    Raises:
        Unreachable: the configured one does not answer.
        BadRequest: there is no room for the database of a temporary one.
    """
    url = configured_server()
    if url:
        _check_health(url)
    url = url or find_running_server()
    with _served_by(url, debug=debug, lasting=lasting) if url else _temporary(print_line):
        yield


@contextmanager
def _served_by(url: str, *, debug: bool, lasting: bool) -> Iterator[None]:
    # A heartbeat's thread ends within a second, and the end of a run waits for it.
    unless_set = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings(client_settings(url), set_defaults=unless_set):
        # A server that has answered and does not listen is behind a proxy: it cannot be watched.
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
def _temporary(print_line: Callable[[str], None]) -> Iterator[None]:
    if (noted := noted_server()) and (why := refusal(noted)):
        print_line(f"Prefect: {why}")
    _check_room(Path(PREFECT_HOME.value()))
    auth = make_auth()
    settings = {
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: STARTUP_SECONDS,
        PREFECT_SERVER_ANALYTICS_ENABLED: False,
        # It listens on loopback, where other users and pages in a browser reach it, too.
        PREFECT_SERVER_API_AUTH_STRING: auth,
        PREFECT_API_AUTH_STRING: auth,
        PREFECT_SERVER_CORS_ALLOWED_ORIGINS: "",
    }
    with temporary_settings(settings):
        yield


@contextmanager
def watched(
    url: str, on_loss: Callable[[], object], patience: float = PATIENCE, every: float = CHECK_EVERY
) -> Iterator[None]:
    """Call `on_loss` from a thread once no server has listened at `url` for `patience` seconds."""
    over = Event()

    def watch() -> None:
        seen = time.monotonic()
        while not over.wait(every):
            if listens(url):
                seen = time.monotonic()
            elif time.monotonic() - seen >= patience:
                on_loss()
                return

    Thread(target=watch, name="server watch", daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def called_at_loss(report: Callable[[], None]) -> Iterator[None]:
    """Call `report` as well if the process ends inside the block because its server is lost."""
    _at_loss.append(report)
    try:
        yield
    finally:
        _at_loss.remove(report)


def listens(url: str) -> bool:
    """Whether a server accepts connections there; one that is only slow does."""
    place = urlsplit(url)
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        with socket.create_connection((place.hostname, port), timeout=10):
            return True
    except OSError:
        return False


def _end(url: str) -> None:
    _ending.acquire()  # never released: watch and run may both notice the loss, and one reports it
    for report in tuple(_at_loss):
        report()
    end_at_once(
        f"the Prefect server at {url} was lost in the middle of the run; start it again, for "
        "example with: make server. Nothing is lost, and the same command then continues where "
        "this one ended",
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
    """Refuse a folder in which Prefect's temporary server could not keep its database.

    Raises:
        BadRequest: the folder cannot be written, or the disk is full.
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

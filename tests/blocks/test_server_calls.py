"""A Prefect server that comes and goes: our calls outlast it, and name it when it stays away."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from httpx import ConnectError, HTTPStatusError
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.accounts import QingCloudAccount
from blocks.artifacts import publish_markdown
from blocks.server_calls import (
    FIRST_PAUSE,
    PATIENCE,
    ask_server,
    delete_block,
    delete_variable,
    load_block,
    read_server_time,
    read_variable,
    write_variable,
)
from domain.kernel.errors import TemporaryError
from tasks.autoscaling import LATEST, seconds_late
from tests.domain.clocks import JumpingClock

pytestmark = pytest.mark.filterwarnings("ignore:Artifact creation outside:FutureWarning")

CALLS: dict[str, Callable[[JumpingClock], object]] = {
    "variable read": lambda clock: read_variable("v", clock),
    "variable written": lambda clock: write_variable("v", {"a": 1}, clock),
    "variable deleted": lambda clock: delete_variable("v", clock),
    "block loaded": lambda clock: load_block(QingCloudAccount, "b", clock),
    "block deleted": lambda clock: delete_block(QingCloudAccount, "b", clock),
    "artifact": lambda clock: publish_markdown("text", "key", "words", clock=clock),
}


class Server(HTTPServer):
    """Answers with the statuses of a script, and then that it knows nothing."""

    def __init__(self, port: int, *statuses: int) -> None:
        super().__init__(("127.0.0.1", port), _Scripted)
        self.statuses = list(statuses)


class _Scripted(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        assert isinstance(self.server, Server)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = self.server.statuses.pop(0) if self.server.statuses else 404
        body = json.dumps({"detail": "database is locked"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Not into the test's output."""


@contextmanager
def served(server: Server) -> Iterator[Server]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        with server, temporary_settings({PREFECT_API_URL: url_of(server.server_port)}):
            yield server
    finally:
        server.shutdown()
        thread.join()


def url_of(port: int) -> str:
    return f"http://127.0.0.1:{port}/api"


@pytest.mark.parametrize("call", [name for name in CALLS if name.startswith("variable")])
def test_a_server_that_is_busy_is_asked_again_at_once(call: str) -> None:
    """Prefect's client would wait for two seconds first, and a database is locked for a moment."""
    clock = JumpingClock()
    with served(Server(0, 503)):
        answered(lambda: CALLS[call](clock))
    assert clock.slept == [FIRST_PAUSE]


class Restarting(JumpingClock):
    """A clock on which the server comes back at the first pause."""

    def __init__(self, start: Callable[[], object]) -> None:
        super().__init__()
        self._start = start

    def sleep(self, seconds: float, /) -> None:
        super().sleep(seconds)
        self._start()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_server_that_is_restarted_is_waited_for(call: Callable[[JumpingClock], object]) -> None:
    url, port = unused()
    with ExitStack() as stack:
        clock = Restarting(lambda: stack.enter_context(served(Server(port))))
        with temporary_settings({PREFECT_API_URL: url}):
            answered(lambda: call(clock))
    assert len(clock.slept) == 1


def test_a_server_that_stays_away_is_named() -> None:
    def refused() -> None:
        raise ConnectError("connection refused")

    url, _ = unused()
    clock = JumpingClock()
    with (
        temporary_settings({PREFECT_API_URL: url}),
        pytest.raises(TemporaryError, match=rf"Prefect server at {url} does not .*make server"),
    ):
        ask_server(refused, clock)
    assert clock.monotonic() == pytest.approx(PATIENCE)


def test_a_worker_whose_clock_is_ahead_is_not_late() -> None:
    with served(Server(0, 200)):
        ours = datetime.now(UTC) + timedelta(minutes=20)
        due = ours - timedelta(minutes=20)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(flow_run, "scheduled_start_time", due, raising=False)
            assert seconds_late(ours) < LATEST.total_seconds()
    assert abs(read_server_time() - datetime.now(UTC)) < LATEST  # without a server: our own


def test_a_refusal_is_not_repeated() -> None:
    clock = JumpingClock()
    with served(Server(0, 401)), pytest.raises(HTTPStatusError, match="401"):
        read_variable("v", clock)
    assert clock.slept == []


def answered(call: Callable[[], object]) -> None:
    """Call something that a server which knows nothing may answer with 404."""
    with suppress(HTTPStatusError):
        call()


def unused() -> tuple[str, int]:
    """The URL and the port of a server that does not run."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    return url_of(port), port

"""What a team has beside its workers: PostgreSQL, Redis, two Prefect servers and their services."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.acceptance.workplace import free_port, healthy
from tests.clients.samples.postgres_server import find_programs, running, servant


def missing() -> str:
    """What this machine lacks; empty if there is everything."""
    if find_programs() is None:
        return "PostgreSQL is not installed"
    if shutil.which("redis-server") is None:
        return "Redis is not installed"
    if find_spec("prefect_redis") is None:
        return "the extra `team` is not installed; make test-team installs it"
    return ""


@contextmanager
def postgres() -> Iterator[str]:
    programs = find_programs()
    assert programs is not None
    # Short, because a socket's path may have about a hundred characters.
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        folder.chmod(0o755 if servant() else 0o700)
        with running(programs, folder) as url:
            yield url


@contextmanager
def process(
    words: list[str], environment: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that lasts as long as the block, with its output in a file."""
    with log.open("wb") as stream:
        started = subprocess.Popen(
            words, env=dict(environment), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    """Yields: the port."""
    port, program = free_port(), shutil.which("redis-server") or ""
    words = [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with process(words, os.environ, folder / "redis.log"):
        yield port


def settings(database: str, redis_port: int) -> dict[str, str]:
    """What docs/team.md tells to set on every server; only the addresses differ."""
    return {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.replace("+psycopg", "+asyncpg"),
        "PREFECT_SERVER_EVENTS_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_MESSAGING_CACHE": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
        "PREFECT_SERVER_DOCKET_URL": f"redis://127.0.0.1:{redis_port}/0",
        "PREFECT_REDIS_MESSAGING_HOST": "127.0.0.1",
        "PREFECT_REDIS_MESSAGING_PORT": str(redis_port),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


@contextmanager
def prefect_servers(
    environment: Mapping[str, str], auth: str, folder: Path
) -> Iterator[tuple[str, str]]:
    """Two servers on one database, and the services beside them. Yields: the URLs of both."""
    known = {**environment, "PREFECT_SERVER_API_AUTH_STRING": auth}
    prefect = [sys.executable, "-m", "prefect", "server"]
    with ExitStack() as stack:
        urls = []
        for number in (1, 2):
            port = free_port()
            words = [*prefect, "start", "--no-services", f"--port={port}", "--host=127.0.0.1"]
            log = folder / f"server-{number}.log"
            server = stack.enter_context(process(words, known, log))
            urls.append(f"http://127.0.0.1:{port}/api")
            wait_until_healthy(urls[-1], server, log)  # the first one makes the tables
        words = [*prefect, "services", "start"]
        stack.enter_context(process(words, known, folder / "services.log"))
        yield urls[0], urls[1]


def wait_until_healthy(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 180
    while not healthy(url):
        assert server.poll() is None, f"{url} has ended: {log.read_text()[-2000:]}"
        assert time.monotonic() < deadline, f"{url} does not answer"
        time.sleep(0.5)

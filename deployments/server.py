"""The Prefect server on this machine: `python -m deployments.server up | down | status`.

Prefect starts and ends its server; this finds one that answers, chooses a port, waits until the
server is healthy, and notes its address for our commands. It listens on loopback alone.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from cyclopts import App
from prefect.settings import PREFECT_API_URL, PREFECT_HOME

from blocks.locks import alone
from blocks.settings import (
    answers,
    environment_with,
    find_running_server,
    lock_file,
    server_note,
)

USUAL_PORT = 4200
START_SECONDS = 180.0
SERVER_SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # The autoscaler runs each minute: without this a server keeps 1,440 runs a day for ever.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(7 * 24 * 3600),
}
STOP_SECONDS = 30.0

app = App(name="python -m deployments.server", help=__doc__, version_flags=())


@app.command
def up() -> None:
    """Start the server in the background if none answers; print the address of its UI."""
    with alone(lock_file("server")):  # two starts at once must not make two servers
        _say(f"Prefect UI: {_ui(_find() or _launch(_free_port()))}")


@app.command
def down() -> None:
    """Stop the server that `up` has started."""
    with alone(lock_file("server")):
        url = find_running_server()
        if url and _pid_file().exists():
            _prefect("server", "stop")
            _wait(lambda: not answers(url), STOP_SECONDS, f"the server at {url} does not end")
            _say("the Prefect server has ended")
        else:
            _say("no Prefect server of ours is running")
        server_note().unlink(missing_ok=True)


@app.command
def status() -> None:
    """Print the address of the server's UI; exit code 1 if no server answers."""
    url = _find()
    if not url:
        _fail("no Prefect server answers; start one with: make server")
    _say(f"Prefect UI: {_ui(url)}")


def _find() -> str:
    """The API of a server that answers: configured, noted, or on Prefect's usual port."""
    usual = f"http://127.0.0.1:{USUAL_PORT}/api"
    known = (PREFECT_API_URL.value() or "", find_running_server(), usual)
    url = next((url for url in known if url and answers(url)), "")
    if url:
        _note(url)
    return url


def _launch(port: int) -> str:
    url = f"http://127.0.0.1:{port}/api"
    # Nothing answers, so a process id that Prefect has kept is of a server that was cut off.
    _pid_file().unlink(missing_ok=True)
    _prefect("server", "start", "--background", "--host", "127.0.0.1", "--port", str(port), url=url)
    _wait(lambda: answers(url), START_SECONDS, f"the Prefect server does not answer at {url}")
    _note(url)
    return url


def _prefect(*words: str, url: str = "") -> None:
    # A UI on another port than the usual one must be told where its API is.
    told = {"PREFECT_UI_API_URL": url, **SERVER_SETTINGS} if url else {}
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *words],
        env=environment_with(told),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    if done.returncode:
        _fail(f"prefect {' '.join(words)}: {(done.stderr or done.stdout).strip()}")


def _free_port() -> int:
    """Prefect's usual port, or any free one when something else has it."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", USUAL_PORT))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _pid_file() -> Path:
    """Where `prefect server start --background` keeps its process id."""
    return Path(PREFECT_HOME.value()) / "server.pid"


def _note(url: str) -> None:
    server_note().parent.mkdir(parents=True, exist_ok=True)
    server_note().write_text(json.dumps({"api_url": url}))


def _wait(done: Callable[[], bool], seconds: float, failure: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            _fail(failure)
        time.sleep(0.2)


def _ui(api_url: str) -> str:
    return api_url.removesuffix("/api")


def _say(words: str) -> None:
    sys.stderr.write(words + "\n")


def _fail(words: str) -> NoReturn:
    _say(f"Error: {words}")
    sys.exit(1)


if __name__ == "__main__":
    app()

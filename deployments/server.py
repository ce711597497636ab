"""The Prefect server on this machine: `python -m deployments.server up | down | status`.

Prefect starts and stops its server; this finds one of yours that answers, chooses a port, waits
until the server is healthy, and notes its address for our commands. It listens on loopback only.
"""

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.resources import as_file
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from prefect.settings import (
    PREFECT_HOME,
    PREFECT_SERVER_API_PORT,
    temporary_settings,
)

from blocks.locks import alone
from blocks.looks import LOGOS
from blocks.prefect_server import (
    answers,
    auth_file,
    client_settings,
    client_variables,
    configured_server,
    find_running_server,
    is_open,
    is_ours,
    noted_server,
    own_auth,
    refusal,
    server_log,
    server_note,
)
from blocks.settings import environment_with, lock_file
from deployments._command import print_line, run, run_prefect, waiting
from deployments._flags.server import Flags, app
from domain.kernel.errors import Unreachable
from flows._cli.parsing import parse

START_SECONDS = 180.0
SERVER_SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # The autoscaler runs each minute: without this a server keeps 1,440 runs a day for ever.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(7 * 24 * 3600),
}
STOP_SECONDS = 30.0

_UI, _LOGOS = "v1", "k8s-qingcloud"
"""The folder that Prefect serves as `/`, and that of the logos in it."""


def main(flags: Flags) -> None:
    """Run the command that was typed."""
    {"up": up, "down": down, "status": status, "env": env}[flags.command]()


def up() -> None:
    """Start the server in the background if none of yours answers; print the address of its UI."""
    with alone(lock_file("server")):  # two starts at once must not start two servers
        if not (url := _find()):
            with waiting("Starting the Prefect server; this takes some seconds …"):
                url = _launch()
        with temporary_settings(client_settings(url)):
            from deployments._kinds import register_kinds  # slow; `status` and `down` do without

            register_kinds()
    _print_address(url)


def down() -> None:
    """Stop the server that `up` has started."""
    with alone(lock_file("server")):
        url = find_running_server()
        if url and _pid_file().exists():
            with waiting("Stopping the Prefect server …"):
                _prefect("server", "stop")
                _wait(lambda: not answers(url), STOP_SECONDS, f"the server at {url} does not end")
            print_line("the Prefect server has ended")
        else:
            print_line("no Prefect server of ours is running")
        server_note().unlink(missing_ok=True)


def status() -> None:
    """Print the address of the server's UI; exit code 1 if no server answers."""
    url = _find()
    if not url:
        _fail("no Prefect server of yours answers; start one with: make server")
    _print_address(url)


def env() -> None:
    """Print the variables with which Prefect's own commands use the server: eval "$(… env)"."""
    url = _find()
    if not url:
        _fail("no Prefect server of yours answers; start one with: make server")
    for name, value in client_variables(url).items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


def _find() -> str:
    """Find the API of the server that our commands use, if it answers.

    The configured one; else one of this user, either noted or on Prefect's usual port.
    """
    if configured := configured_server():
        return configured if answers(configured) else ""
    if noted := find_running_server():
        return noted
    usual = _local_url(_usual_port())
    if not (is_ours(usual) and answers(usual)):
        return ""
    _note(usual)
    return usual


def _launch() -> str:
    port = _port_to_use()
    url = _local_url(port)
    # Nothing answers, so a process id that Prefect has kept is of a killed server.
    _pid_file().unlink(missing_ok=True)
    os.umask(0o077)  # the server's database, logs and key are its owner's
    Path(PREFECT_HOME.value()).mkdir(parents=True, exist_ok=True)
    Path(PREFECT_HOME.value()).chmod(0o700)
    process = _start(url, port)
    _wait(
        lambda: answers(url) or process.poll() is not None,
        START_SECONDS,
        f"the Prefect server does not answer at {url}; its log is {server_log()}",
    )
    if process.poll() is not None:
        _fail(f"the Prefect server has ended; its log {server_log()} says why")
    if not is_ours(url) or is_open(url):  # it has taken the port in the meantime
        _fail(f"another server answers at {url} than the one that was started; try again")
    _serve_logos()
    _note(url)
    return url


def _start(url: str, port: int) -> subprocess.Popen[bytes]:
    """Start the server in the background, with a log.

    Not with Prefect's own `--background`: there the output of the server is a pipe that nobody
    reads, and its first warning ends it.
    """
    words = ("server", "start", "--host", "127.0.0.1", "--port", str(port))
    with server_log().open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *words],
            env=environment_with({**SERVER_SETTINGS, **_own_settings(url)}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _pid_file().write_text(str(process.pid), encoding="utf-8")  # for `prefect server stop`
    return process


def _pages() -> Path:
    """The folder of the pages that our server serves: Prefect's UI, and the logos of our blocks."""
    return Path(PREFECT_HOME.value()) / "ui"


def _serve_logos() -> None:
    """Put the logos beside the UI; Prefect writes that folder anew when its version changes."""
    with as_file(LOGOS) as logos:
        shutil.copytree(logos, _pages() / _UI / _LOGOS, dirs_exist_ok=True)


def _prefect(*words: str) -> None:
    done = run_prefect(*words, variables={})
    if done.returncode:
        _fail(f"prefect {' '.join(words)}: {(done.stderr or done.stdout).strip()}")


def _own_settings(url: str) -> dict[str, str]:
    """The settings of a server of ours: its auth string, and no page but its own UI's."""
    port = urlsplit(url).port
    return {
        "PREFECT_SERVER_API_AUTH_STRING": own_auth(),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port},http://localhost:{port}",
        # A UI on another port than the usual one needs the URL of its API.
        "PREFECT_UI_API_URL": url,
        "PREFECT_UI_URL": url.removesuffix("/api"),  # of pages that its notifications name
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(_pages()),
    }


def _port_to_use() -> int:
    """Choose the configured port, else Prefect's usual one, else any free one.

    Raises:
        Unreachable: the configured address is not on this machine.
    """
    if configured := configured_server():
        place = urlsplit(configured)
        if place.port and configured in (
            _local_url(place.port),
            _local_url(place.port, "localhost"),
        ):
            return place.port
        raise Unreachable(
            f"no Prefect server answers at {configured}, which PREFECT_API_URL names; start it "
            "there, or leave PREFECT_API_URL unset to have one started here"
        )
    for url in sorted({noted_server(), _local_url(_usual_port())} - {""}):
        if why := refusal(url):
            print_line(f"Note: {why}")
    return _free_port()


def _free_port() -> int:
    """Prefect's usual port, or any free one when it is in use."""
    with socket.socket() as probe:
        # Without it, connections of a server that has just ended would block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _usual_port()))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _usual_port() -> int:
    """Prefect's own port: 4200, unless its settings name another."""
    return int(PREFECT_SERVER_API_PORT.value())


def _pid_file() -> Path:
    """The file in which `prefect server start --background` keeps its process id."""
    return Path(PREFECT_HOME.value()) / "server.pid"


def _note(url: str) -> None:
    note = {"api_url": url}
    if (_pages() / _UI / _LOGOS).is_dir():
        note["logos"] = f"{url.removesuffix('/api')}/{_LOGOS}"
    server_note().write_text(json.dumps(note), encoding="utf-8")


def _wait(done: Callable[[], bool], seconds: float, failure: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            _fail(failure)
        time.sleep(0.2)


def _local_url(port: int, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{port}/api"


def _print_address(url: str) -> None:
    why = ", from PREFECT_API_URL" if configured_server() else ""
    print_line(f"Prefect UI: {url.removesuffix('/api')}{why}")
    if configured_server():
        return
    if is_open(url):
        print_line(
            "Note: this server was started without an auth string, so every page in your browser "
            "can read its blocks; end it with: python -m deployments.server down, then: make server"
        )
    else:
        print_line(f"Log in with the text in {auth_file()}")


def _fail(words: str) -> NoReturn:
    print_line(f"Error: {words}")
    sys.exit(1)


if __name__ == "__main__":
    run(main, parse(app))

"""Starts, finds and stops the daemon of a folder, from another process."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from localcloud.home import Home, LockTaken, Running

START_DEADLINE = 60.0
STOP_DEADLINE = 30.0
LOOK_AGAIN = 0.05
ANSWER_DEADLINE = 10.0
"""Seconds within which a running daemon answers a control request."""

RESET_DEADLINE = 120.0
TAIL_LINES = 20
GO_ON_DEADLINE = 300.0
"""Seconds for the boot of resumed machines."""


class Refused(Exception):
    """The request cannot be met; the text has the remedy."""


class NotRunning(Refused):
    def __init__(self) -> None:
        super().__init__("No local cloud is running here; start one with: python -m localcloud up")


class StartFailed(Exception):
    """The daemon did not start; the text ends with its log."""


@dataclass(frozen=True, slots=True)
class Started:
    """The outcome of `ensure_running`.

    Attributes:
        is_new: whether this call has started the daemon.
        after_crash: whether the previous daemon ended without `down`.
        machines: the number of resumed machines.
    """

    running: Running
    is_new: bool
    after_crash: bool = False
    machines: int = 0


def ask(
    running: Running, verb: str, path: str, deadline: float = ANSWER_DEADLINE, document: Any = None
) -> dict[str, Any]:
    """Send one request to a daemon's control API.

    Raises:
        Refused: the daemon rejects the document.
        OSError: there is no answer in time, or it comes from another program.
    """
    where = urlsplit(running.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=deadline)
    try:
        headers = {"Authorization": f"Bearer {running.token}"}
        sent = None if document is None else json.dumps(document)
        connection.request(verb, f"/control/{path}", body=sent, headers=headers)
        response = connection.getresponse()
        body = response.read()
        if response.status == 400:
            raise Refused(json.loads(body)["message"])
        if response.status != 200:
            raise ConnectionError(f"{path}: HTTP {response.status}")
        answer: dict[str, Any] = json.loads(body)
        return answer
    except (http.client.HTTPException, BrokenPipeError, ValueError) as error:
        raise ConnectionError(f"{path}: {error}") from error
    finally:
        connection.close()


def find_running(home: Home) -> Running | None:
    """Return the folder's daemon if it answers with its token, else None."""
    running = home.read_running()
    if running is None:
        return None
    try:
        ask(running, "GET", "health")
    except OSError:
        return None
    return running


def read_running(home: Home) -> Running:
    """Return the folder's running daemon. Raises `NotRunning`."""
    if running := find_running(home):
        return running
    raise NotRunning


def ensure_running(home: Home, profile: str | None, seed: int | None) -> Started:
    """Start a daemon unless one runs. Concurrent calls result in one daemon.

    Args:
        profile, seed: None for those of the running or the last daemon, or else the default and
            a random one.

    Raises:
        Refused: a daemon runs with another profile or seed.
        StartFailed: the daemon ended, or did not answer in time.
    """
    home.make()
    try:
        with home.lock("up.lock", patience=START_DEADLINE):
            if running := find_running(home):
                _require_same(running, profile, seed)
                return Started(running, is_new=False)
            after_crash = home.read_running() is not None
            home.forget_running()
            running = _wait_for_answer(home, _spawn(home, profile, seed))
            return Started(running, True, after_crash, _wait_for_machines(running))
    except LockTaken as error:
        raise StartFailed(str(error)) from error


def _require_same(running: Running, profile: str | None, seed: int | None) -> None:
    now = ask(running, "GET", "health")
    for name, wanted in (("profile", profile), ("seed", seed)):
        if wanted is not None and now[name] != wanted:
            raise Refused(
                f"The local cloud already runs with {name} {now[name]}; for {name} {wanted} "
                "end it first with: python -m localcloud down"
            )


def _spawn(home: Home, profile: str | None, seed: int | None) -> subprocess.Popen[bytes]:
    """Start the daemon detached: its own session and folder, no terminal."""
    if home.log.exists():
        home.log.replace(home.log.with_suffix(".log.1"))
    paths = [str(Path(__file__).resolve().parent.parent), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    options = [f"--home={home.root}"]
    options += [f"--profile={profile}"] if profile else []
    options += [f"--seed={seed}"] if seed is not None else []
    with home.log.open("ab") as log:
        home.log.chmod(0o600)
        return subprocess.Popen(
            [sys.executable, "-m", "localcloud.daemon", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environment,
            start_new_session=True,
        )


def _wait_for_answer(home: Home, daemon: subprocess.Popen[bytes]) -> Running:
    deadline = time.monotonic() + START_DEADLINE
    while time.monotonic() < deadline:
        running = home.read_running()
        if running and running.pid == daemon.pid and find_running(home):
            return running
        if daemon.poll() is not None:
            raise StartFailed(f"The local cloud ended while starting:\n{_tail(home)}")
        time.sleep(LOOK_AGAIN)
    daemon.terminate()
    raise StartFailed(f"The local cloud did not answer in {START_DEADLINE:g} s:\n{_tail(home)}")


def _wait_for_machines(running: Running) -> int:
    """Wait until the resumed machines have booted, and return their number."""
    deadline = time.monotonic() + GO_ON_DEADLINE
    now = ask(running, "GET", "health")
    while now["booting"] and time.monotonic() < deadline:
        time.sleep(LOOK_AGAIN)
        now = ask(running, "GET", "health")
    return int(now["gone_on"])


def _tail(home: Home) -> str:
    lines = home.log.read_text(errors="replace").splitlines()
    return "\n".join([*lines[-TAIL_LINES:], f"(the whole log: {home.log})"])


def stop(home: Home) -> bool:
    """Stop the daemon, and wait for its end; return False when none ran. The data stays."""
    running = home.read_running()
    if running is None:
        return False
    try:
        ask(running, "POST", "stop")
    except OSError:
        if not _is_held(home):
            home.forget_running()  # of a killed daemon
            return False
    try:
        with home.lock("daemon.lock", patience=STOP_DEADLINE):
            return True
    except LockTaken:
        # The lock proves that the process runs, so its id is still valid.
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGKILL)
        home.forget_running()
        return True


def _is_held(home: Home) -> bool:
    try:
        with home.lock("daemon.lock", patience=0):
            return False
    except LockTaken:
        return True


def read_status(home: Home) -> dict[str, Any]:
    """Return the status of the daemon, its resources and calls, or that of a stopped cloud."""
    running = find_running(home)
    if running is None:
        return {"running": False, "endpoint": None, "profile": None, "resources": {}, "calls": {}}
    return ask(running, "GET", "status")


def reset(home: Home) -> None:
    """Empty the cloud and its counters, running or stopped.

    Raises:
        Refused: a daemon holds the folder and does not answer.
    """
    if running := find_running(home):
        ask(running, "POST", "reset", RESET_DEADLINE)
        return
    home.make()
    try:
        with home.lock("daemon.lock", patience=0):
            home.empty()
    except LockTaken as error:
        raise Refused(f"{error}; end the daemon first with: python -m localcloud down") from error


def read_environment(home: Home) -> dict[str, str]:
    """Return the environment variables for clients of this cloud. Raises `NotRunning`."""
    running = read_running(home)
    return {
        "QINGCLOUD_ENDPOINT": running.endpoint,
        "QINGCLOUD_ACCESS_KEY_ID": running.key_id,
        "QINGCLOUD_SECRET_ACCESS_KEY": running.secret,
        "QINGCLOUD_ZONE": running.zone,
        "QINGCLOUD_BILLS": "0",  # nothing costs money, so no confirmation is needed
    }

"""A user's machine for the acceptance tests: own home, own Prefect server, own local cloud.

Commands run as a user types them, each in a process of its own.
"""

import json
import os
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from clients.qingcloud import QingCloud

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = ("QINGCLOUD_", "PREFECT_", "LOCALCLOUD_", "KUBECONFIG", "XDG_")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The one line of an error."""
        errors = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1, self.err
        return errors[0].removeprefix("Error: ")


@dataclass
class Workplace:
    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = (sys.executable, "-m")
    folder: Path = ROOT

    def client(self) -> QingCloud:
        """The cloud, as whoever has an account on it sees it."""
        found = json.loads(self.run("localcloud", "env", "--json").out)
        names = ("ZONE", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "ENDPOINT")
        return QingCloud(*(found[f"QINGCLOUD_{name}"] for name in names))

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """Start the program, usually `python -m words…`, and leave it running."""
        return subprocess.Popen(
            [*self.program, *words],
            cwd=self.folder,
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **more: str) -> Done:
        """Run the program, usually `python -m words…`, to its end."""
        process = self.start(*words, **more)
        out, err = process.communicate(timeout=150)
        return Done(process.returncode, out, err)

    def cloud(self) -> dict[str, Any]:
        """What `python -m localcloud status --json` says."""
        return dict(self.run("localcloud", "status", "--json").json)

    def changes(self) -> int:
        """How many calls so far were not mere questions."""
        calls = self.cloud()["calls"]
        return sum(n for name, n in calls.items() if not name.startswith(("Describe", "Get")))


def ask(place: Workplace, path: str, document: Any = None, verb: str = "POST") -> Any:
    """One call of the Prefect server's API; its answer.

    A server whose database is locked for a moment is asked again, as Prefect's own client does.
    """
    known = b64encode(place.environment.get("PREFECT_API_AUTH_STRING", "").encode()).decode()
    request = Request(
        f"{place.environment['PREFECT_API_URL']}/{path}",
        data=None if verb == "GET" else json.dumps(document or {}).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Basic {known}"},
        method=verb,
    )
    for pause in (0.5, 1.0, 2.0, 4.0):
        try:
            return _send(request)
        except HTTPError as error:
            if error.code != 503:
                raise
        time.sleep(pause)
    return _send(request)


def _send(request: Request) -> Any:
    with urlopen(request, timeout=60) as reply:
        return json.loads(reply.read() or "null")


def clean_environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ACCOUNT)}
    own = {
        "HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "COLUMNS": "120",
    }
    return kept | own


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def prefect_server(
    environment: Mapping[str, str], port: int, log: Path, python: str = sys.executable
) -> Iterator[str]:
    """A Prefect server of the tests' own; its API's URL.

    It asks for the auth string of the environment, if there is one, as `make server` does.
    """
    auth = environment.get("PREFECT_API_AUTH_STRING")
    own = {"PREFECT_SERVER_API_AUTH_STRING": auth} if auth else {}
    url = f"http://127.0.0.1:{port}/api"
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [
                python,
                "-m",
                "prefect",
                "server",
                "start",
                f"--port={port}",
                "--host=127.0.0.1",
            ],
            env={**environment, **own},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    try:
        deadline = time.monotonic() + 120
        while not healthy(url):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def healthy(url: str) -> bool:
    try:
        with urlopen(f"{url}/health", timeout=2) as reply:
            return bool(reply.status == 200)
    except (URLError, OSError):
        return False

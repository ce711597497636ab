"""The ground of the real commands: as a user types them, with a Prefect server and real time."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.reliability.child import COUNTS, NAME
from benchmarks.reliability.ground import Ended, Ground
from benchmarks.reliability.points import Stage
from clients.qingcloud import QingCloud
from domain.secrets.credentials import Credentials, credentials_name
from tasks.vault import PrefectVault
from tests.acceptance.workplace import free_port, prefect_server

COMMAND_DEADLINE = 900.0
"""Real seconds: pauses before retries and waits for late calls take as long as they do."""

COMMANDS = {
    Stage.PROVISION: ("flows.provision", f"--nodes={COUNTS[Stage.PROVISION]}", "--no-demo",
                      "--no-ui"),
    Stage.SCALE_OUT: ("flows.scale", f"--count={COUNTS[Stage.SCALE_OUT]}"),
    Stage.SCALE_IN: ("flows.scale", f"--count={COUNTS[Stage.SCALE_IN]}"),
    Stage.TEARDOWN: ("flows.teardown", "--yes"),
}  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]


class ServersVault:
    """The credentials on a Prefect server that is not this process's own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.block = ""

    @property
    def place(self) -> str:
        return f"block cluster-credentials/{self.block}"

    def find(self) -> Credentials | None:
        with temporary_settings({PREFECT_API_URL: self._url}):
            return PrefectVault(self.block).find()

    def save(self, credentials: Credentials) -> None:
        with temporary_settings({PREFECT_API_URL: self._url}):
            PrefectVault(self.block).save(credentials)

    def update(self, change: Callable[[Credentials | None], Credentials]) -> Credentials:
        with temporary_settings({PREFECT_API_URL: self._url}):
            return PrefectVault(self.block).update(change)

    def delete(self) -> bool:
        with temporary_settings({PREFECT_API_URL: self._url}):
            return PrefectVault(self.block).delete()


class CommandGround(Ground):
    """A ground on which each run is a command; only its calls of the cloud are struck."""

    def __init__(self, folder: Path, seed: int, url: str) -> None:
        super().__init__(folder, seed)
        self._url = url
        self.vault = self._credentials = ServersVault(url)

    def __enter__(self) -> "CommandGround":
        super().__enter__()
        running = self.cloud
        cloud = QingCloud(running.zone, running.key_id, running.secret, running.endpoint)
        self._credentials.block = credentials_name(NAME, running.zone, cloud.read_user())
        return self

    def run(self, stage: Stage) -> Ended:
        log = self.folder / "command.log"
        self._ended.clear()
        with log.open("wb") as stream:
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", *COMMANDS[stage], f"--name={NAME}"],
                cwd=ROOT,
                env=self._environment(stage),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
        try:
            code = process.wait(COMMAND_DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return Ended(f"no end within {COMMAND_DEADLINE:g} s", hung=True)
        finally:
            self._ended.set()
        if code == -signal.SIGKILL:
            return Ended("killed")
        return Ended("" if code == 0 else f"exit code {code}: {_last_error(log)}")

    def _environment(self, stage: Stage) -> dict[str, str]:
        order = self._order(stage)
        return {
            **os.environ,
            "HOME": str(self.folder),
            "PREFECT_API_URL": self._url,
            "QINGCLOUD_ENDPOINT": order.endpoint,
            "QINGCLOUD_ACCESS_KEY_ID": order.key_id,
            "QINGCLOUD_SECRET_ACCESS_KEY": order.secret,
            "QINGCLOUD_ZONE": order.zone,
            "QINGCLOUD_BILLS": "0",
        }


def _last_error(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error: ")] or lines[-1:]
    return errors[-1] if errors else "without a word"


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A Prefect server for the commands of all grounds; its API's URL."""
    environment = {**os.environ, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    with prefect_server(environment, free_port(), folder / "prefect.log") as url:
        yield url

"""The folder of one local cloud: its daemon's address, keys, settings and data."""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import string
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from localcloud.database import erase

HOME_VARIABLE = "LOCALCLOUD_HOME"
LOOK_AGAIN = 0.05
"""Seconds between two attempts for a lock."""


class LockTaken(Exception):
    """Another process holds a lock for longer than we wait."""


@dataclass(frozen=True, slots=True)
class Running:
    """The contents of `daemon.json`: the daemon's address and keys."""

    pid: int
    url: str
    zone: str
    key_id: str
    token: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def endpoint(self) -> str:
        return f"{self.url}/iaas/"


@dataclass(frozen=True, slots=True)
class StartSettings:
    """The settings of a cloud that its next daemon keeps.

    Attributes:
        port: of the API, the same after a restart; 0 for any.
        profile, seed: empty before the first start.
        starts: number of starts since the cloud was empty.
    """

    port: int = 0
    profile: str = ""
    seed: int | None = None
    starts: int = 0


@dataclass(frozen=True, slots=True)
class Home:
    """The state folder, readable by its owner only."""

    root: Path

    @property
    def log(self) -> Path:
        return self.root / "daemon.log"

    @property
    def machines(self) -> Path:
        return self.root / "machines"

    @property
    def database(self) -> Path:
        return self.root / "cloud.db"

    def make(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def why_not(self, error: OSError) -> str:
        """Return why this folder cannot hold a cloud, if the error is about a file."""
        if not isinstance(error.filename, str):  # of a connection, for one
            return ""
        place = Path(error.filename)
        if not (place.is_relative_to(self.root) or self.root.is_relative_to(place)):
            return ""
        why = "it is a file" if self.root.is_file() else error.strerror
        return (
            f"the folder {self.root} cannot hold a local cloud ({why}); "
            f"name another one with {HOME_VARIABLE}"
        )

    def read_running(self) -> Running | None:
        """Return what the last daemon wrote, running or not; None after an orderly end."""
        try:
            return Running(**json.loads((self.root / "daemon.json").read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write_running(self, running: Running) -> None:
        self._write_private("daemon.json", json.dumps(asdict(running), indent=1))

    def forget_running(self) -> None:
        (self.root / "daemon.json").unlink(missing_ok=True)

    def read_settings(self) -> StartSettings:
        try:
            return StartSettings(
                **json.loads((self.root / "habits.json").read_text(encoding="utf-8"))
            )
        except (FileNotFoundError, ValueError, TypeError):
            return StartSettings()

    def write_settings(self, settings: StartSettings) -> None:
        self._write_private("habits.json", json.dumps(asdict(settings)))

    def empty(self) -> None:
        """Delete the data of a stopped cloud; its address and its keys stay."""
        shutil.rmtree(self.machines, ignore_errors=True)
        erase(self.database)
        self.write_settings(StartSettings(port=self.read_settings().port))

    def credentials(self) -> tuple[str, str, str]:
        """Return the account's key id, secret and user id, created once for each folder."""
        path = self.root / "credentials.json"
        saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        made = {
            "key_id": _draw(string.ascii_uppercase, 20),
            "secret": secrets.token_urlsafe(30),
            "user_id": f"usr-{_draw(string.ascii_lowercase + string.digits, 8)}",
        } | saved
        if made != saved:
            self._write_private(path.name, json.dumps(made))
        return made["key_id"], made["secret"], made["user_id"]

    @contextlib.contextmanager
    def lock(self, name: str, patience: float) -> Iterator[None]:
        """Hold a lock of this folder; it is released with the end of the process.

        Args:
            patience: seconds to wait for another holder.
        """
        deadline = time.monotonic() + patience
        with (self.root / name).open("a") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise LockTaken(f"another process holds {self.root / name}") from None
                    time.sleep(LOOK_AGAIN)
            yield

    def _write_private(self, name: str, text: str) -> None:
        """Write a private file in one step."""
        draft = self.root / f".{name}.{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        draft.replace(self.root / name)


def _draw(letters: str, count: int) -> str:
    return "".join(secrets.choice(letters) for _ in range(count))


def find_home() -> Home:
    """Return the folder that the environment names, or the user's own one."""
    if named := os.environ.get(HOME_VARIABLE):
        return Home(Path(named).absolute())
    import platformdirs

    return Home(platformdirs.user_data_path("kubernetes-on-qingcloud") / "localcloud")

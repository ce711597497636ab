"""The line between a run and its ground: questions of the run, answers of the ground."""

from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock
from typing import Any

from benchmarks.reliability.points import Stage
from benchmarks.reliability.troubles import Trouble


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is to do, and where.

    Attributes:
        endpoint: of the relay before the cloud's API.
        folder: of the worker: credentials, clock, data, log.
    """

    stage: Stage
    endpoint: str
    zone: str
    key_id: str
    secret: str
    folder: Path


class Link:
    """The run's end; its threads may share it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = Lock()

    def api_port(self, address: str, port: int) -> int:
        """The port of the relay before an API server, on the same address."""
        return int(self._ask("api", address, port))

    def ssh_port(self, address: str, port: int) -> int:
        """The port of the relay before an SSH server, on the same address."""
        return int(self._ask("ssh", address, port))

    def before(self, command: str) -> Trouble | None:
        """Report a command on a machine that is about to be sent. Returns: how it goes wrong."""
        trouble = self._ask("before", command)
        return None if trouble is None else Trouble(trouble)

    def amid(self) -> None:
        """Have all SSH connections cut."""
        self._ask("amid")

    def after(self, trouble: Trouble) -> None:
        """Report that the struck command has acted."""
        self._ask("after", str(trouble))

    def end(self, error: str) -> None:
        """Report the end of the run; an empty text means success."""
        self._ask("end", error)

    def _ask(self, *words: object) -> Any:
        with self._lock:
            self._connection.send(words)
            return self._connection.recv()

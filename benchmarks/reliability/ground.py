"""The place of one worker: a local cloud of its own, relays before it, and the runs on it."""

import multiprocessing
import os
import signal
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from benchmarks.reliability.child import carry_out
from benchmarks.reliability.clock import SharedClock
from benchmarks.reliability.gate import Gate
from benchmarks.reliability.link import Order
from benchmarks.reliability.points import Stage
from benchmarks.reliability.relay import AWAY_FOR, LATE_BY, HttpRelay, SshRelay
from benchmarks.reliability.troubles import KILLS, Side, Trouble
from benchmarks.reliability.vault import FileVault
from benchmarks.reliability.wires import CloudWire, KubernetesWire, load_pair
from domain.secrets.credentials import Credentials
from domain.secrets.pki import make_server_certificate
from domain.secrets.vault import Vault
from localcloud.home import Home, Running
from localcloud.process import ensure_running, reset, stop

RUN_DEADLINE = 120.0
"""Real seconds after which a run counts as hanging."""

TICK = 0.01
"""Real seconds between two looks at late calls."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of one run.

    Attributes:
        error: empty after a success, and `killed` after a kill.
        hung: whether it was ended at the deadline.
    """

    error: str
    hung: bool = False


class Ground:
    """Satisfies `relay.Place`."""

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.gate = folder, Gate()
        self.clock = SharedClock(folder / "clock")
        self.vault: Vault = FileVault(folder / "credentials.json")
        self._home, self._seed = Home(folder / "cloud"), seed
        self._context = multiprocessing.get_context("forkserver")
        self._late: list[tuple[float, Callable[[], object]]] = []
        self._lock, self._restarting = Lock(), Lock()
        self._away: dict[Side, float] = {}
        self._process: Any = None
        self._ended = Event()
        self._api: dict[tuple[str, int], HttpRelay] = {}
        self._ssh: dict[tuple[str, int], SshRelay] = {}

    def __enter__(self) -> "Ground":
        self._running = ensure_running(self._home, "instant", self._seed).running
        self._cloud_relay = HttpRelay("127.0.0.1", CloudWire(lambda: self.cloud.url), self)
        self._over = Event()
        Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._cloud_relay.shutdown()
        self._cloud_relay.server_close()
        stop(self._home)

    @property
    def cloud(self) -> Running:
        """The local cloud; after a restart it has another process id and token."""
        with self._restarting:
            return self._running

    @property
    def home(self) -> Home:
        return self._home

    def begin_anew(self) -> None:
        """Forget everything: an empty cloud, no credentials."""
        self._running = ensure_running(self._home, "instant", None).running
        reset(self._home)
        self.vault.delete()
        for name in ("creating.json", "claim.json"):
            (self.folder / name).unlink(missing_ok=True)
        with self._lock:
            self._late.clear()

    # Runs.

    def run(self, stage: Stage) -> Ended:
        """Run a command of the stage to its end, and kill it at the deadline."""
        with self._lock:
            self._away.clear()
        ours, theirs = self._context.Pipe()
        self._ended.clear()
        self._process = self._context.Process(
            target=carry_out, args=(self._order(stage), theirs), daemon=True
        )
        self._process.start()
        theirs.close()
        try:
            return self._attend(ours)
        finally:
            self._process.kill()
            self._process.join()
            self._ended.set()
            ours.close()
            self._close_relays()

    def _order(self, stage: Stage) -> Order:
        cloud = self.cloud
        port = self._cloud_relay.server_address[1]
        return Order(
            stage,
            f"http://127.0.0.1:{port}/iaas/",
            cloud.zone,
            cloud.key_id,
            cloud.secret,
            self.folder,
        )

    def _attend(self, link: Connection) -> Ended:
        deadline = time.monotonic() + RUN_DEADLINE
        with suppress(EOFError, OSError):
            while link.poll(max(0.0, deadline - time.monotonic())):
                words = link.recv()
                answer = self._answer(words)
                link.send(answer)
                if words[0] == "end":
                    return Ended(words[1])
            return Ended("no end", hung=True)
        self._process.join()
        if self._process.exitcode == -signal.SIGKILL:
            return Ended("killed")
        return Ended(f"the process ended with {self._process.exitcode}")

    def _answer(self, words: tuple[Any, ...]) -> object:
        match words:
            case ("api", address, port):
                return self._api_relay(address, port)
            case ("ssh", address, port):
                return self._ssh_relay(address, port)
            case ("before", command):
                return self._strike_ssh(self.gate.trouble(Side.SSH, command, changes=True))
            case ("amid",):
                self._cut(Side.SSH)
            case ("after", trouble):
                if trouble in KILLS:
                    self._kill()
                self._cut(Side.SSH)
        return None

    def _strike_ssh(self, trouble: Trouble | None) -> Trouble | None:
        match trouble:
            case Trouble.KILLED_BEFORE:
                self._kill()
            case Trouble.REQUEST_LOST:
                self._cut(Side.SSH)
            case Trouble.AWAY:
                self.send_away(Side.SSH, AWAY_FOR)
        return trouble

    # Relays.

    def _api_relay(self, address: str, port: int) -> int:
        if (address, port) not in self._api:
            credentials = self.vault.find()
            assert credentials is not None, "the run saves them before it connects"
            wire = KubernetesWire(address, port, credentials)
            tls = _server_context(credentials, address)
            self._api[address, port] = HttpRelay(address, wire, self, tls)
        return int(self._api[address, port].server_address[1])

    def _ssh_relay(self, address: str, port: int) -> int:
        if (address, port) not in self._ssh:
            self._ssh[address, port] = SshRelay(address, port, self)
        return int(self._ssh[address, port].server_address[1])

    def _relays(self, side: Side) -> list[HttpRelay] | list[SshRelay]:
        return list(self._ssh.values()) if side is Side.SSH else list(self._api.values())

    def _cut(self, side: Side) -> None:
        for relay in self._relays(side):
            relay.connections.cut()

    def _close_relays(self) -> None:
        for side in (Side.SSH, Side.KUBERNETES):
            self._cut(side)
            for relay in self._relays(side):
                relay.shutdown()
                relay.server_close()
        self._api.clear()
        self._ssh.clear()

    # Strikes.

    def kill_run(self) -> None:
        self._kill()
        self._ended.wait(10)

    def _kill(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)

    def restart_cloud(self) -> None:
        with self._restarting:
            os.kill(self._running.pid, signal.SIGKILL)
            self._running = ensure_running(self._home, "instant", None).running

    def send_away(self, side: Side, seconds: float) -> None:
        with self._lock:
            self._away[side] = self.clock.monotonic() + seconds
        self._cut(side)

    def is_away(self, side: Side) -> bool:
        with self._lock:
            return self._away.get(side, 0.0) > self.clock.monotonic()

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        with self._lock:
            self._late.append((self.clock.monotonic() + seconds, act))

    def let_late_calls_act(self) -> None:
        """Move the clock on until no call of an earlier run can act any more."""
        self.clock.advance(LATE_BY)
        self._act_late()

    def _tick(self) -> None:
        while not self._over.wait(TICK):
            self._act_late()

    def _act_late(self) -> None:
        now = self.clock.monotonic()
        with self._lock:
            due = [act for moment, act in self._late if moment <= now]
            self._late = [(moment, act) for moment, act in self._late if moment > now]
        for act in due:
            with suppress(OSError):  # nobody hears its answer
                act()


def _server_context(credentials: Credentials, address: str) -> ssl.SSLContext:
    made = make_server_certificate(
        credentials.ca, (address,), datetime.now(UTC), timedelta(hours=12)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_pair(context, made.certificate, made.key)
    return context

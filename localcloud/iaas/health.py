"""Health checks of a balancer's backends, at intervals."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from localcloud.clock import Clock
from localcloud.connections import hang_up
from localcloud.iaas.balancer_records import Backend, ListenerInForce
from localcloud.iaas.errors import BadParameter
from localcloud.iaas.idle import Watched
from localcloud.iaas.parameters import INTEGER

log = logging.getLogger(__name__)

RANGES = ((2, 60), (5, 300), (2, 10), (2, 10))  # interval | timeout | fall | rise
HTTP = re.compile(r"http\|(?P<path>/[!-{}~]*)(\|(?P<host>[\w.:-]+))?", re.ASCII)
WELL = re.compile(rb"HTTP/1\.[01] [23]\d\d")


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How a listener checks its backends.

    Attributes:
        path: requested by HTTP; empty for a check that only connects.
        host: the header of that name; may be empty.
        interval: seconds between two checks.
        timeout: seconds after which a check without an answer has failed.
        fall: failures in a row that make a backend unhealthy.
        rise: successes in a row that make it healthy again.
    """

    path: str
    host: str
    interval: int
    timeout: int
    fall: int
    rise: int


def read_health_check(method: str, option: str, *, is_udp: bool = False) -> HealthCheck:
    """Read the API's method and option; `udp` is for listeners of UDP. Raises `BadParameter`."""
    found = HTTP.fullmatch(method)
    if found is None and method not in (("udp", "tcp") if is_udp else ("tcp",)):
        known = "tcp, http|/path or http|/path|host"
        raise BadParameter(
            f"healthy_check_method [{method}] should be {'udp, ' if is_udp else ''}{known}"
        )
    values = option.split("|")
    if len(values) != len(RANGES) or not all(
        INTEGER.fullmatch(value) and low <= int(value) <= high
        for value, (low, high) in zip(values, RANGES, strict=True)
    ):
        raise BadParameter(
            f"healthy_check_option [{option}] should be interval 2-60, "
            "timeout 5-300, fall 2-10 and rise 2-10, joined with |"
        )
    path, host = (found["path"], found["host"] or "") if found else ("", "")
    interval, timeout, fall, rise = map(int, values)
    return HealthCheck(path, host, interval, timeout, fall, rise)


@dataclass(slots=True)
class Health:
    """The state that a backend's checks add up to. The first check decides at once."""

    is_up: bool = True
    answers: int = 0  # of the last kind, in a row
    was_good: bool | None = None

    def note(self, is_good: bool, check: HealthCheck) -> None:
        is_first = self.was_good is None
        self.answers = self.answers + 1 if is_good == self.was_good else 1
        self.was_good = is_good
        if is_first or self.answers >= (check.rise if is_good else check.fall):
            self.is_up = is_good


async def ask(check: HealthCheck, far: Watched) -> bool:
    """Check once over a fresh connection, which is closed; return whether the answer is good."""
    reader, writer = far
    lines = [f"GET {check.path} HTTP/1.0", *([f"Host: {check.host}"] if check.host else [])]
    writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
    try:
        return WELL.match(await reader.readline()) is not None
    except ValueError:  # a line without an end
        return False
    finally:
        await hang_up(writer)


Reach = Callable[[ListenerInForce, Backend], Awaitable[Watched]]
"""Connects to a backend as its listener does. Raises `OSError`."""


class HealthChecks:
    """Checks the backends of all listeners.

    Args:
        reach: connects for a check by HTTP.
        answers: whether a backend's port would take a connection, for a check that only connects.
        pace: the share of the intervals that passes.
    """

    def __init__(
        self, clock: Clock, reach: Reach, answers: Callable[[Backend], bool], pace: float = 1.0
    ) -> None:
        self._clock = clock
        self._reach = reach
        self._answers = answers
        self._pace = pace
        self._known: dict[str, Health] = {}
        self._watches: dict[str, list[asyncio.Task[None]]] = {}  # by balancer

    def is_healthy(self, backend_id: str) -> bool:
        """Return whether a backend is healthy; True before its first check."""
        health = self._known.get(backend_id)
        return health is None or health.is_up

    def watch(self, balancer_id: str, active: ListenerInForce) -> None:
        """Start to check the backends of a listener, until `forget`."""
        check = read_health_check(active.listener.health_method, active.listener.health_option)
        for backend in active.backends:
            task = asyncio.ensure_future(self._watch(active, backend, check))
            self._watches.setdefault(balancer_id, []).append(task)

    def forget(self, balancer_id: str) -> None:
        for task in self._watches.pop(balancer_id, []):
            task.cancel()

    async def _watch(self, active: ListenerInForce, backend: Backend, check: HealthCheck) -> None:
        health = self._known[backend.id] = Health()
        try:
            while True:
                health.note(await self._ask(active, backend, check), check)
                await self._clock.sleep(check.interval * self._pace)
        finally:
            if self._known.get(backend.id) is health:
                del self._known[backend.id]

    async def _ask(self, active: ListenerInForce, backend: Backend, check: HealthCheck) -> bool:
        if not check.path:
            return self._answers(backend)
        try:
            async with asyncio.timeout(check.timeout):
                return await ask(check, await self._reach(active, backend))
        except OSError as error:  # a timeout is one, too
            log.debug("%s: %s", backend.id, error)
            return False

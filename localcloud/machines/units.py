"""The services of a machine: which exist, which start at boot, which run."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from localcloud.machines.state import State


@dataclass(frozen=True, slots=True)
class Unit:
    """One service; `package` brings it (empty: the system does), the rest is what it does here."""

    package: str = ""
    start: Callable[[], Awaitable[None]] | None = None
    stop: Callable[[], Awaitable[None]] | None = None
    restart: Callable[[], Awaitable[None]] | None = None


class Units:
    """Services by name, without `.service`."""

    def __init__(self, state: State, units: dict[str, Unit]) -> None:
        self._state = state
        self._units = units
        self._active: set[str] = set()

    def known(self) -> set[str]:
        """Services whose package is installed."""
        return {
            name
            for name, unit in self._units.items()
            if not unit.package or unit.package in self._state.packages
        }

    def is_active(self, name: str) -> bool:
        return name in self._active

    def enabled_word(self, name: str) -> str:
        """What `systemctl is-enabled` prints."""
        if name in self._state.masked:
            return "masked"
        if name not in self.known():
            return "not-found"
        return "enabled" if name in self._state.enabled else "disabled"

    def enable(self, name: str) -> bool:
        """Let it start at boot; whether that is new."""
        if name in self._state.enabled:
            return False
        self._state.enabled.append(name)
        return True

    def disable(self, name: str) -> None:
        if name in self._state.enabled:
            self._state.enabled.remove(name)

    def mask(self, name: str) -> None:
        if name not in self._state.masked:
            self._state.masked.append(name)

    def unmask(self, name: str) -> None:
        if name in self._state.masked:
            self._state.masked.remove(name)

    async def start(self, name: str) -> None:
        """Start a service; one that runs stays as it is."""
        if name in self._active:
            return
        self._active.add(name)
        if start := self._units[name].start:
            await start()

    async def stop(self, name: str) -> None:
        """Stop a service; one that does not run stays as it is."""
        if name not in self._active:
            return
        self._active.discard(name)
        if stop := self._units[name].stop:
            await stop()

    async def restart(self, name: str) -> None:
        """Restart a service in its own way, or stop and start it."""
        if name in self._active and (restart := self._units[name].restart):
            await restart()
            return
        await self.stop(name)
        await self.start(name)

    async def start_enabled(self) -> None:
        """Boot: start what is known and enabled, in the order it was enabled."""
        for name in list(self._state.enabled):
            if name in self.known() and name not in self._state.masked:
                await self.start(name)

    async def stop_all(self) -> None:
        """Power off."""
        for name in sorted(self._active):
            await self.stop(name)

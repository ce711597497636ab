"""The services of a machine: existing, enabled and running ones."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from localcloud.machines.state import State


@dataclass(frozen=True, slots=True)
class Unit:
    """One service of a package (empty: of the system), with its handlers."""

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
        """Return the services of installed packages."""
        return {
            name
            for name, unit in self._units.items()
            if not unit.package or unit.package in self._state.packages
        }

    def masked(self) -> set[str]:
        """Return the masked units, which need no package."""
        return set(self._state.masked)

    def is_active(self, name: str) -> bool:
        return name in self._active

    def is_enabled(self, name: str) -> bool:
        return self.enabled_word(name) == "enabled"

    def enabled_word(self, name: str) -> str:
        """Return the output of `systemctl is-enabled`."""
        if name in self._state.masked:
            return "masked"
        if name not in self.known():
            return "not-found"
        return "enabled" if name in self._state.enabled else "disabled"

    def enable(self, name: str) -> bool:
        """Enable a service, and return whether that is a change."""
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
        """Start a service; a running one is left alone."""
        if name in self._active:
            return
        self._active.add(name)
        if start := self._units[name].start:
            await start()

    async def stop(self, name: str) -> None:
        """Stop a service; a stopped one is left alone."""
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
        """Boot: start the enabled services, in the order in which they were enabled."""
        for name in list(self._state.enabled):
            if name in self.known() and name not in self._state.masked:
                await self.start(name)

    async def stop_all(self) -> None:
        """Power off."""
        for name in sorted(self._active):
            await self.stop(name)

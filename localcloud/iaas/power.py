"""Power of the machines behind the instances; boots run in the background."""

import asyncio
import logging
from collections.abc import Iterable

from localcloud.parts import Component, MachineHost, MachineSpec

log = logging.getLogger(__name__)


class Power:
    """Boots, halts and destroys machines; an instance is `running` before its machine is up.

    Attributes:
        powered: ids of the machines that are on, or boot.
    """

    def __init__(self, machines: MachineHost) -> None:
        self._machines = machines
        self._boots: dict[str, asyncio.Task[None]] = {}
        self._known: set[str] = set()
        self.powered: set[str] = set()

    def on(self, spec: MachineSpec, failed: Iterable[Component] = ()) -> None:
        """Start to boot in the background, with these components failed."""
        self._known.add(spec.instance_id)
        self.powered.add(spec.instance_id)
        boot = asyncio.ensure_future(self._boot(spec, tuple(failed)))
        self._boots[spec.instance_id] = boot

    async def fail(self, instance_id: str, component: Component) -> None:
        """Let a component of a machine fail until `recover`."""
        await self._machines.fail(instance_id, component)

    async def recover(self, instance_id: str, component: Component) -> None:
        await self._machines.recover(instance_id, component)

    async def off(self, instance_id: str) -> None:
        """Power off, also in the middle of a boot."""
        self.powered.discard(instance_id)
        await self._stop_booting(instance_id)
        await self._machines.halt(instance_id)

    async def destroy(self, instance_id: str) -> None:
        """Power off a machine and delete its disk, or delete an image."""
        await self._stop_booting(instance_id)
        self._known.discard(instance_id)
        self.powered.discard(instance_id)
        await self._machines.destroy(instance_id)

    async def capture(self, instance_id: str, image_id: str) -> None:
        """Copy the disk of a machine that is off to an image."""
        self._known.add(image_id)
        await self._machines.capture(instance_id, image_id)

    async def close(self) -> None:
        """Destroy all machines and images."""
        ends = (self.destroy(instance_id) for instance_id in list(self._known))
        for outcome in await asyncio.gather(*ends, return_exceptions=True):
            if isinstance(outcome, BaseException):
                log.error("a machine could not be destroyed", exc_info=outcome)

    def adopt(self, ids: Iterable[str]) -> None:
        """Adopt machines and images of an earlier process."""
        self._known.update(ids)

    @property
    def booting(self) -> int:
        """Return how many machines are booting."""
        return sum(not boot.done() for boot in self._boots.values())

    async def suspend(self) -> None:
        """Stop waiting for boots; the machines stay for the next process."""
        for boot in self._boots.values():
            boot.cancel()
        await asyncio.gather(*self._boots.values(), return_exceptions=True)

    async def _boot(self, spec: MachineSpec, failed: tuple[Component, ...]) -> None:
        try:
            for component in failed:
                await self._machines.fail(spec.instance_id, component)
            await self._machines.boot(spec)
        except Exception:
            # As on a real cloud, the instance stays `running`.
            log.exception("%s did not boot", spec.instance_id)

    async def _stop_booting(self, instance_id: str) -> None:
        if boot := self._boots.pop(instance_id, None):
            boot.cancel()
            await asyncio.gather(boot, return_exceptions=True)

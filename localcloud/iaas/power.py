"""Power switches: the machines behind the instances, booting beside everything else."""

import asyncio
import logging
from collections.abc import Iterable

from localcloud.parts import Ailment, Birth, MachineHost

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

    def on(self, birth: Birth, ailments: Iterable[Ailment] = ()) -> None:
        """Begin to boot, ill or well; nobody waits for it but those who connect."""
        self._known.add(birth.instance_id)
        self.powered.add(birth.instance_id)
        boot = asyncio.ensure_future(self._boot(birth, tuple(ailments)))
        self._boots[birth.instance_id] = boot

    async def fail(self, instance_id: str, ailment: Ailment) -> None:
        """Let a part of a machine fail until `mend`."""
        await self._machines.fail(instance_id, ailment)

    async def mend(self, instance_id: str, ailment: Ailment) -> None:
        await self._machines.mend(instance_id, ailment)

    async def off(self, instance_id: str) -> None:
        """Power off, also in the middle of a boot."""
        self.powered.discard(instance_id)
        await self._stop_booting(instance_id)
        await self._machines.halt(instance_id)

    async def destroy(self, instance_id: str) -> None:
        """Throw the disk of a machine, after powering it off, or of an image away."""
        await self._stop_booting(instance_id)
        self._known.discard(instance_id)
        self.powered.discard(instance_id)
        await self._machines.destroy(instance_id)

    async def capture(self, instance_id: str, image_id: str) -> None:
        """Keep the disk of a machine that is off as an image, until that is destroyed."""
        self._known.add(image_id)
        await self._machines.capture(instance_id, image_id)

    async def close(self) -> None:
        """Destroy every machine and image there is."""
        ends = (self.destroy(instance_id) for instance_id in list(self._known))
        for outcome in await asyncio.gather(*ends, return_exceptions=True):
            if isinstance(outcome, BaseException):
                log.error("a machine does not go away", exc_info=outcome)

    def know(self, ids: Iterable[str]) -> None:
        """Take over machines and images that another process has left."""
        self._known.update(ids)

    @property
    def booting(self) -> int:
        """How many machines are on and not up yet."""
        return sum(not boot.done() for boot in self._boots.values())

    async def leave(self) -> None:
        """Let go of all machines as they are, for the next process to go on with."""
        for boot in self._boots.values():
            boot.cancel()
        await asyncio.gather(*self._boots.values(), return_exceptions=True)

    async def _boot(self, birth: Birth, ailments: tuple[Ailment, ...]) -> None:
        try:
            for ailment in ailments:
                await self._machines.fail(birth.instance_id, ailment)
            await self._machines.boot(birth)
        except Exception:
            # As on a real cloud: the instance runs, and what hangs on it shows on its console.
            log.exception("%s does not come up", birth.instance_id)

    async def _stop_booting(self, instance_id: str) -> None:
        if boot := self._boots.pop(instance_id, None):
            boot.cancel()
            await asyncio.gather(boot, return_exceptions=True)

"""All machines of the local cloud: the implementation of `MachineHost`."""

import asyncio
import logging
import shutil
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from localcloud.clock import Clock
from localcloud.fabric import Fabric
from localcloud.kubernetes.planes import Planes
from localcloud.machines import captured
from localcloud.machines.context import MachineContext, Shared
from localcloud.machines.landlock import find_version
from localcloud.machines.machine import Machine
from localcloud.machines.sandbox import link_tools
from localcloud.machines.standins.command_server import CommandServer
from localcloud.parts import Component, MachineSpec
from localcloud.profiles import Profile

log = logging.getLogger(__name__)


class Machines:
    """Boots, halts and destroys machines, each in a folder of `root` named by its id.

    Raises:
        FileNotFoundError: this system has no bash.
    """

    def __init__(
        self, root: Path, fabric: Fabric, clock: Clock, profile: Profile, planes: Planes
    ) -> None:
        self._root = root.resolve()
        self._command_server = CommandServer()
        tools = self._root / ".tools"
        self._shared = Shared(fabric, clock, profile, planes, tools)
        self._machines: dict[str, Machine] = {}
        self._failed: defaultdict[str, set[Component]] = defaultdict(set)
        link_tools(tools)
        if not find_version():
            log.warning("this kernel has no Landlock: nothing guards files outside the machines")

    def find(self, instance_id: str) -> Machine:
        """Return a machine that has booted once. Raises `KeyError` for any other."""
        return self._machines[instance_id]

    async def boot(self, spec: MachineSpec) -> None:
        """Start a machine, new or halted; a running one is left alone."""
        await self._command_server.open()
        machine = self._machines.get(spec.instance_id)
        if machine is None:
            context = MachineContext(spec, self._root / spec.instance_id, self._shared)
            if context.is_new:
                await asyncio.to_thread(captured.unpack, self._root / spec.image_id, context)
            machine = Machine(context, self._command_server)
            self._machines[spec.instance_id] = machine
        if machine.is_running:
            return
        machine.context.spec = spec  # a halted machine may have a new address
        machine.context.failed = self._failed[spec.instance_id]
        try:
            await machine.boot()
        except BaseException:
            await machine.halt()
            raise

    async def halt(self, instance_id: str) -> None:
        """Power off; an unknown or halted machine is accepted."""
        machine = self._machines.get(instance_id)
        if machine is not None:
            await machine.halt()

    async def capture(self, instance_id: str, image_id: str) -> None:
        """Copy the disk of a halted machine to an image for new machines."""
        await asyncio.to_thread(captured.pack, self._root / instance_id, self._root / image_id)

    async def destroy(self, disk_id: str) -> None:
        """Delete a machine, powered off first, or an image; an unknown id is accepted."""
        machine = self._machines.pop(disk_id, None)
        if machine is not None:
            await machine.halt()
            await machine.cluster.forget()
        self._failed.pop(disk_id, None)
        self._erase(disk_id)

    async def fail(self, instance_id: str, component: Component) -> None:
        """Let a component of a machine fail, now or at its boot, until `recover`."""
        self._failed[instance_id].add(component)
        machine = self._machines.get(instance_id)
        if machine is not None and machine.is_running:
            await machine.fail(component)

    async def recover(self, instance_id: str, component: Component) -> None:
        """Let the component work again; one that has not failed is accepted."""
        self._failed[instance_id].discard(component)
        machine = self._machines.get(instance_id)
        if machine is not None and machine.is_running:
            await machine.recover(component)

    def erase_unknown(self, known: Collection[str]) -> None:
        """Erase the folders of unknown machines, left by a daemon that was killed."""
        for folder in self._root.glob("[!.]*"):
            if folder.name not in known:
                self._erase(folder.name)

    def _erase(self, instance_id: str) -> None:
        shutil.rmtree(self._root / instance_id, ignore_errors=True)

    async def close(self) -> None:
        """Suspend all machines and close the command server; the disks stay."""
        for machine in list(self._machines.values()):
            await machine.suspend()
        await self._command_server.close()

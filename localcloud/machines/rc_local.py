"""/etc/rc.local, which systemd runs at every boot where it is executable."""

import asyncio
from typing import BinaryIO

from localcloud.fabric import CHUNK
from localcloud.machines.process import Process
from localcloud.machines.sandbox import Sandbox

RC_LOCAL = "etc/rc.local"
_LOG = "var/log/rc.local.log"


class RcLocal:
    """The script of one machine, and its running process."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._process: Process | None = None
        self._logging: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the script, if any; it runs on beside all other services."""
        script = self._sandbox.disk / RC_LOCAL
        if not script.is_file() or not script.stat().st_mode & 0o111:
            return
        self._process = await self._sandbox.start([str(script)], user="root")
        self._process.stdin.close()
        self._logging = asyncio.create_task(self._log(self._process))

    async def _log(self, process: Process) -> None:
        """Log its output, and that of children that outlive it."""
        with (self._sandbox.disk / _LOG).open("wb", buffering=0) as file:
            await asyncio.gather(_copy(process.stdout, file), _copy(process.stderr, file))

    async def end(self) -> None:
        """Kill the script; a child that has left its process group is not waited for."""
        if self._process is None or self._logging is None:
            return
        self._process.kill()
        self._process.close()
        await asyncio.gather(self._logging, return_exceptions=True)
        self._process = self._logging = None


async def _copy(reader: asyncio.StreamReader, file: BinaryIO) -> None:
    while data := await reader.read(CHUNK):
        file.write(data)

"""/etc/rc.local, which systemd runs at every boot where it is executable."""

import asyncio
from typing import BinaryIO

from localcloud.fabric import CHUNK
from localcloud.machines.process import Process
from localcloud.machines.sandbox import Sandbox

RC_LOCAL = "etc/rc.local"
_LOG = "var/log/rc.local.log"
_SSHD_WAITS = 10.0  # seconds; a longer script runs on beside sshd


class RcLocal:
    """The script of one machine, and its running process."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._process: Process | None = None
        self._logging: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run the script, if any; return when it has ended or sshd waits no longer."""
        script = self._sandbox.disk / RC_LOCAL
        if not script.is_file() or not script.stat().st_mode & 0o111:
            return
        self._process = await self._sandbox.start([str(script)], user="root")
        self._process.stdin.close()
        self._logging = asyncio.create_task(self._log(self._process))
        ended = asyncio.ensure_future(self._process.wait())
        await asyncio.wait({ended}, timeout=_SSHD_WAITS)
        ended.cancel()

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

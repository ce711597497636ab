"""One command of a machine as a host process, with its own process group and write guard."""

import asyncio
import os
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

from localcloud.machines.landlock import WriteGuard


class Process:
    """One running command. Its output is read from `stdout` and `stderr`."""

    def __init__(
        self,
        command: list[str],
        *,
        environment: dict[str, str],
        folder: Path,
        guard: WriteGuard | None,
    ) -> None:
        self._command = command
        self._environment = environment
        self._folder = folder
        self._guard = guard
        self.stdin: asyncio.StreamWriter
        self.stdout = asyncio.StreamReader()
        self.stderr = asyncio.StreamReader()
        self._pid = 0
        self._pipes: list[asyncio.BaseTransport] = []
        self._ended: asyncio.Future[int]

    async def start(self) -> None:
        """Start it.

        Raises:
            OSError: the process cannot be started.
            ValueError: the command cannot be one, as with a zero byte in it.
        """
        loop = asyncio.get_running_loop()
        started: asyncio.Future[subprocess.Popen[bytes]] = loop.create_future()
        self._ended = loop.create_future()
        # The guard binds the thread it is set in: each command gets a new one, which also waits.
        threading.Thread(
            target=self._run, args=(loop, started), name=f"command {self._command[:3]}", daemon=True
        ).start()
        popen = await started
        self._pid = popen.pid
        for reader, pipe in ((self.stdout, popen.stdout), (self.stderr, popen.stderr)):
            assert pipe is not None
            protocol = asyncio.StreamReaderProtocol(reader)
            transport, _ = await loop.connect_read_pipe(lambda chosen=protocol: chosen, pipe)  # type: ignore[misc]
            self._pipes.append(transport)
        # A StreamReaderProtocol is what gives a writer its drain(); it never reads here.
        quiet = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        assert popen.stdin is not None
        entrance, _ = await loop.connect_write_pipe(lambda: quiet, popen.stdin)
        self._pipes.append(entrance)
        self.stdin = asyncio.StreamWriter(entrance, quiet, None, loop)

    def _run(
        self,
        loop: asyncio.AbstractEventLoop,
        started: "asyncio.Future[subprocess.Popen[bytes]]",
    ) -> None:
        try:
            if self._guard is not None:
                self._guard.bind_this_thread()
            popen = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._folder,
                env=self._environment,
                start_new_session=True,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            _call_in_loop(loop, started.set_exception, error)
            return
        _call_in_loop(loop, started.set_result, popen)
        _call_in_loop(loop, self._end, popen.wait())

    def _end(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    async def wait(self) -> int:
        """Wait for the end, and return the exit code, negative for a signal."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """Kill the process group, which may hold children of an ended command."""
        if self._pid:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """Close all pipes; a child that has left the group may hold their other ends."""
        for pipe in self._pipes:
            pipe.close()


def _call_in_loop(loop: asyncio.AbstractEventLoop, function: object, value: object) -> None:
    with suppress(RuntimeError):  # the loop has ended before the command
        loop.call_soon_threadsafe(function, value)  # type: ignore[arg-type]

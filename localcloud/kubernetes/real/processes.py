"""Programs beside the daemon: started, supervised, and stopped by their process id."""

import asyncio
import ctypes
import logging
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

RESTART_AFTER = 1.0  # seconds between an unexpected end and the next start
LONGEST_PAUSE = 30.0  # seconds, for a program that ends again and again
GRACE = 15.0  # seconds from SIGTERM to SIGKILL; an API server takes several of them

_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)  # loaded here: between fork and exec, a lock that it needs may be held

log = logging.getLogger(__name__)


class Program:
    """One program that is restarted when it ends by itself.

    Args:
        pause: seconds until then; longer after repeated failures.
        grace: seconds from SIGTERM to SIGKILL.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        log_file: Path,
        pause: float = RESTART_AFTER,
        grace: float = GRACE,
    ) -> None:
        self.name = name
        self._command = command
        self._log_file = log_file
        self._pause = pause
        self._grace = grace
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs, or None."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Start the program, and supervise it.

        Raises:
            OSError: it cannot be executed.
        """
        await self._spawn()
        self._watch = asyncio.create_task(self._keep_running(), name=f"watch {self.name}")

    async def stop(self) -> None:
        """Terminate the program, and wait for its end; after its grace it is killed."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(self._grace):
                await process.wait()
        except TimeoutError:
            log.warning("%s (%d) does not end and is killed", self.name, process.pid)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _spawn(self) -> None:
        with self._log_file.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd="/",
                start_new_session=True,  # a Ctrl-C is for the daemon, which stops them in order
                preexec_fn=partial(_end_with, os.getpid()),
            )
        log.info("%s runs as process %d", self.name, self._process.pid)

    async def _keep_running(self) -> None:
        pause = self._pause
        loop = asyncio.get_running_loop()
        while self._process is not None:
            started = loop.time()
            code = await self._process.wait()
            log.warning("%s has ended with %d; see %s", self.name, code, self._log_file)
            if loop.time() - started > LONGEST_PAUSE:
                pause = self._pause
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            await self._spawn()


def _end_with(daemon: int) -> None:
    """Let the kernel kill this process at any end of the daemon.

    An API server that is only terminated waits without end for its etcd, which is gone, too.
    """
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != daemon:  # it ended before the call
            os._exit(1)

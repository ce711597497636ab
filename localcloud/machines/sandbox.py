"""Real bash in a machine's folder: its own environment, its own commands, a guard on writes.

The folder is no jail against a hostile script: it can read the host's files. It keeps honest
scripts from touching the host by mistake: commands are found among the stand-ins and a short list
of harmless tools, targets are written `${SYSROOT}/…`, and Landlock refuses writes elsewhere.
"""

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from localcloud.machines.landlock import WriteGuard, find_version

log = logging.getLogger(__name__)

# What scripts may use of the host. Everything that acts on a machine is a stand-in instead.
TOOLS = (
    "awk", "base64", "basename", "bash", "cat", "chmod", "cksum", "cmp", "comm", "cp", "cut",
    "date", "diff", "dirname", "du", "echo", "env", "expr", "false", "find", "flock", "fold",
    "getopt", "grep", "gunzip", "gzip", "head", "install", "join", "ln", "ls", "md5sum", "mkdir",
    "mkfifo", "mktemp", "mv", "nl", "nohup", "od", "openssl", "paste", "printf", "pwd", "readlink",
    "realpath", "rm", "rmdir", "sed", "seq", "setsid", "sh", "sha256sum", "sleep", "sort", "split",
    "tac", "tail", "tar", "tee", "test", "timeout", "touch", "tr", "true", "truncate", "uniq",
    "wc", "which", "xargs", "xz", "yes",
)  # fmt: skip


def link_tools(folder: Path) -> None:
    """Make a folder of links to the host's tools; what the host lacks, machines lack too.

    Raises:
        FileNotFoundError: the host has no bash.
    """
    if shutil.which("bash") is None:
        raise FileNotFoundError("the local cloud's machines need bash, and this system has none")
    folder.mkdir(parents=True, exist_ok=True)
    for name in TOOLS:
        link, found = folder / name, shutil.which(name)
        if found is not None and not link.is_symlink():
            link.symlink_to(found)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Where and how one machine's commands run."""

    disk: Path
    standins: Path
    tools: Path
    hostname: str

    def environment(self, user: str) -> dict[str, str]:
        """All that a command sees of its surroundings."""
        local = [self.disk / "usr/local/sbin", self.disk / "usr/local/bin"]
        return {
            "PATH": ":".join(str(folder) for folder in (self.standins, self.tools, *local)),
            "SYSROOT": str(self.disk),
            "HOME": str(self.home(user)),
            "TMPDIR": str(self.disk / "tmp"),
            "USER": user,
            "LOGNAME": user,
            "SHELL": str(self.tools / "bash"),
            "LANG": "C.UTF-8",
            "HOSTNAME": self.hostname,
        }

    def home(self, user: str) -> Path:
        return self.disk / ("root" if user == "root" else f"home/{user}")

    async def start(
        self, arguments: Sequence[str], *, user: str, extra: Mapping[str, str] | None = None
    ) -> "Process":
        """Start bash with these arguments, in the user's home, in a process group of its own.

        Raises:
            OSError: the process cannot be started.
        """
        process = Process(
            [str(self.tools / "bash"), *arguments],
            environment=self.environment(user) | dict(extra or {}),
            folder=self.home(user),
            guard=WriteGuard(self.disk) if find_version() else None,
        )
        await process.start()
        return process


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
        self._ended: asyncio.Future[int]

    async def start(self) -> None:
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
            await loop.connect_read_pipe(lambda chosen=protocol: chosen, pipe)  # type: ignore[misc]
        # A StreamReaderProtocol is what gives a writer its drain(); it never reads here.
        quiet = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        assert popen.stdin is not None
        transport, _ = await loop.connect_write_pipe(lambda: quiet, popen.stdin)
        self.stdin = asyncio.StreamWriter(transport, quiet, None, loop)

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
        except OSError as error:
            _tell(loop, started.set_exception, error)
            return
        _tell(loop, started.set_result, popen)
        _tell(loop, self._end, popen.wait())

    def _end(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    async def wait(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """Kill the whole process group; a command that has ended may leave children there."""
        if self._pid:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """Let go of the pipes."""
        self.stdin.close()


def _tell(loop: asyncio.AbstractEventLoop, function: object, value: object) -> None:
    with suppress(RuntimeError):  # the loop has ended before the command
        loop.call_soon_threadsafe(function, value)  # type: ignore[arg-type]

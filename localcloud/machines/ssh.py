"""The SSH server of one machine: keys, commands, files, and forwarding to its network."""

import asyncio
import logging
import re
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh

from localcloud.connections import CHUNK, splice
from localcloud.machines.context import MachineContext
from localcloud.machines.process import Process
from localcloud.machines.sandbox import Sandbox
from localcloud.machines.sftp import DiskFiles

log = logging.getLogger(__name__)

SSH_PORT = 22
_LOGIN_SECONDS = 30
_LINGER = 1.0  # seconds in which children of an ended command may write
_USER_NAME = re.compile(r"[a-z_][a-z0-9_-]*")
_LOOPBACK = ("localhost", "127.0.0.1")

Relay = Callable[[asyncssh.SSHReader[bytes], asyncssh.SSHWriter[bytes]], Awaitable[None]]


class SshServer:
    """Serves connections from the fabric, each with the current host key."""

    def __init__(self, context: MachineContext, sandbox: Sandbox) -> None:
        self._context = context
        self._sandbox = sandbox
        self._host_key: asyncssh.SSHKey | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.processes: set[Process] = set()

    def load_host_key(self, file: Path) -> None:
        """Read the host key for new connections; an unreadable one is logged and not used."""
        try:
            self._host_key = asyncssh.read_private_key(file)
        except (OSError, asyncssh.KeyImportError) as error:
            log.warning("sshd on %s: %s", self._context.spec.instance_id, error)

    def accept(self, connection: socket.socket, peer: str) -> None:
        """Serve one connection until it ends."""
        if self._host_key is None:
            connection.close()
            return
        task = asyncio.create_task(self._serve(connection, self._host_key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket, host_key: asyncssh.SSHKey) -> None:
        with suppress(asyncssh.Error, OSError, TimeoutError):
            served = await asyncssh.run_server(
                connection,
                server_factory=lambda: _Session(self._context),
                server_host_keys=[host_key],
                process_factory=self._run,
                sftp_factory=self._serve_files,
                encoding=None,
                allow_pty=False,
                agent_forwarding=False,
                password_auth=False,
                kbdint_auth=False,
                host_based_auth=False,
                gss_host=None,
                login_timeout=_LOGIN_SECONDS,
                compression_algs=None,
            )
            self._connections.add(served)
            try:
                await served.wait_closed()
            finally:
                self._connections.discard(served)

    def _serve_files(self, channel: asyncssh.SSHServerChannel[bytes]) -> DiskFiles:
        user = str(channel.get_extra_info("username"))
        home = self._context.home(user).relative_to(self._context.disk)
        return DiskFiles(channel, self._context.disk, f"/{home}")

    async def _run(self, session: "asyncssh.SSHServerProcess[bytes]") -> None:
        """Run the command, or a shell on standard input, and relay its streams."""
        user = str(session.get_extra_info("username"))
        command = ["-c", session.command] if session.command is not None else ["-s"]
        try:
            process = await self._sandbox.start(command, user=user)
        except (OSError, ValueError) as error:
            session.stderr.write(f"{error}\n".encode())
            session.exit(126)
            return
        self.processes.add(process)
        try:
            session.exit(await _carry(session, process))
        except (asyncssh.Error, OSError):
            log.debug("a client of %s disconnected", self._context.spec.instance_id)
            process.close()  # its next line meets a broken pipe, until then it goes on
            await process.wait()
        finally:
            process.kill()
            process.close()
            self.processes.discard(process)

    async def close(self) -> None:
        """Close all connections and kill their processes."""
        for process in tuple(self.processes):
            process.kill()
        for connection in tuple(self._connections):
            connection.abort()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _carry(session: "asyncssh.SSHServerProcess[bytes]", process: Process) -> int:
    """Relay the three streams until the command ends. Returns: its exit code.

    Raises:
        ConnectionAbortedError: the client disconnected before.
    """

    async def feed() -> None:
        with suppress(OSError):
            while data := await session.stdin.read(CHUNK):
                process.stdin.write(data)
                await process.stdin.drain()
        process.stdin.close()

    async def drain(reader: asyncio.StreamReader, writer: asyncssh.SSHWriter[bytes]) -> None:
        while data := await _read(reader, ending):
            writer.write(data)
            await writer.drain()

    feeding = asyncio.create_task(_quietly(feed()))
    leaving = asyncio.create_task(session.channel.wait_closed())
    ending = asyncio.create_task(process.wait())
    draining = asyncio.gather(
        drain(process.stdout, session.stdout), drain(process.stderr, session.stderr)
    )
    try:
        await asyncio.wait({ending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            raise ConnectionAbortedError
        code = await ending
        await asyncio.wait({draining}, timeout=_LINGER)
        process.kill()  # remaining children
        await draining
        return code if code >= 0 else 128 - code
    finally:
        for task in (feeding, leaving, ending, draining):
            task.cancel()
        await asyncio.gather(feeding, leaving, ending, draining, return_exceptions=True)


async def _read(reader: asyncio.StreamReader, ending: asyncio.Future[int]) -> bytes:
    """Read a chunk; after the command's end wait only a moment for children with its pipes."""
    reading = asyncio.ensure_future(reader.read(CHUNK))
    either: set[asyncio.Future[Any]] = {reading, ending}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            await asyncio.wait({reading}, timeout=_LINGER)
        return reading.result() if reading.done() else b""
    finally:
        reading.cancel()


async def _quietly(work: Awaitable[None]) -> None:
    with suppress(asyncssh.Error):
        await work


class _Session(asyncssh.SSHServer):
    """Authentication on one machine, and forwarding from it."""

    def __init__(self, context: MachineContext) -> None:
        self._context = context
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        """Read the user's current authorized keys."""
        assert self._connection is not None
        # The name becomes a part of a path, so it must be a plain name.
        is_name = _USER_NAME.fullmatch(username) is not None
        keys = _authorized_keys(self._context.home(username)) if is_name else None
        if keys is not None:
            self._connection.set_authorized_keys(keys)
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Relay:
        """Forward a connection to a private address; names resolve by the machine's /etc/hosts.

        Raises:
            asyncssh.ChannelOpenError: the target does not answer.
        """
        context = self._context
        address = context.spec.address if dest_host in _LOOPBACK else context.resolve(dest_host)
        if address is None:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_CONNECT_FAILED, f"{dest_host}: Name or service not known"
            )
        try:
            far = context.dial(address, dest_port)
        except OSError as error:
            word = (
                "Connection refused"
                if isinstance(error, ConnectionError)
                else "Connection timed out"
            )
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, word) from error

        async def relay(
            reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]
        ) -> None:
            streams = await asyncio.open_connection(sock=far)
            near = (reader, _ChannelWriter(writer))
            with suppress(asyncssh.Error, OSError):
                await splice(near, streams)  # type: ignore[arg-type] # the same methods

        return relay


class _ChannelWriter:
    """asyncssh's writer with the `transport` of asyncio's."""

    def __init__(self, writer: asyncssh.SSHWriter[bytes]) -> None:
        self.transport = writer.channel
        self._writer = writer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


def _authorized_keys(home: Path) -> asyncssh.SSHAuthorizedKeys | None:
    """Read a user's keys; an invalid line is skipped, as sshd does."""
    file = home / ".ssh/authorized_keys"
    good = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        with suppress(asyncssh.KeyImportError, ValueError):
            asyncssh.import_authorized_keys(line)
            good.append(line)
    return asyncssh.import_authorized_keys("\n".join(good)) if good else None

"""Real SSH servers (asyncssh) on loopback, in one thread with its own event loop."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from clients.ssh import SshTarget
from domain.secrets.pki import SshKeyPair

Process = asyncssh.SSHServerProcess[bytes]
Program = Callable[[Process], Awaitable[None]]


@dataclass
class Server:
    """One SSH server; `programs` answer by the first word of the command, bash runs the rest."""

    host_key: SshKeyPair
    login: SshKeyPair
    folder: Path
    port: int = 0
    programs: dict[str, Program] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    tunnels: list[tuple[str, int]] = field(default_factory=list)
    forbids_tunnels: bool = False
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)

    def target(self, user: str = "root", **changes: Any) -> SshTarget:
        known = {"private_key": self.login.private_key, "host_keys": (self.host_key.public_key,)}
        return SshTarget("127.0.0.1", self.port, user, **(known | changes))

    async def start(self) -> asyncssh.SSHAcceptor:
        server = self

        class Door(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                server.connections.append(conn)

            def connection_requested(self, host: str, port: int, *_: Any) -> bool:
                server.tunnels.append((host, port))
                if server.forbids_tunnels:
                    raise asyncssh.ChannelOpenError(
                        asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "no forwarding here"
                    )
                return True

        acceptor = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Door,
            server_host_keys=[asyncssh.import_private_key(self.host_key.private_key)],
            authorized_client_keys=asyncssh.import_authorized_keys(self.login.public_key),
            process_factory=self._serve,
            encoding=None,
        )
        self.port = acceptor.get_port()
        return acceptor

    async def _serve(self, process: Process) -> None:
        command = process.command or ""
        self.commands.append(command)
        program = self.programs.get(command.split(" ")[0], self._bash)
        await program(process)

    async def _bash(self, process: Process) -> None:
        await self.run_bash(process, await process.stdin.read())

    async def run_bash(self, process: Process, stdin: bytes) -> None:
        """Answer with what bash does with this input."""
        child = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            process.command or "",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": f"{self.folder}/bin:/usr/bin:/bin", "SYSROOT": str(self.folder)},
        )
        stdout, stderr = await child.communicate(stdin)
        process.stdout.write(stdout)
        process.stderr.write(stderr)
        process.exit(child.returncode or 0)


class Loop:
    """An event loop in a thread, and what runs in it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._acceptors: list[asyncssh.SSHAcceptor] = []
        self._servers: list[Server] = []

    def call(self, work: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(60)

    def serve(self, server: Server) -> Server:
        self._acceptors.append(self.call(server.start()))
        self._servers.append(server)
        return server

    def drop_connections(self, server: Server) -> None:
        for connection in server.connections:
            self.loop.call_soon_threadsafe(connection.abort)

    def stop(self) -> None:
        async def close() -> None:
            for acceptor in self._acceptors:
                acceptor.close()
            for server in self._servers:
                for connection in server.connections:
                    connection.abort()
                    await connection.wait_closed()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        self.call(close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

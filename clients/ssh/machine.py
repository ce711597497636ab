"""One machine over SSH: commands and files, as root."""

import posixpath
import secrets
import shlex
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Self

import paramiko

from clients.closing import Closable
from clients.ssh.connection import SshTarget, mapped_errors, open_transport
from clients.ssh.streams import OnLine, follow
from domain.kernel.errors import FinalError
from domain.node.shell import Output

FILE_DEADLINE = 120.0
"""Seconds that writing one file may take."""

# SFTP acts as the login user, so another user than root writes through sudo.
WRITE_AS_ROOT = """\
set -euo pipefail
path="${SYSROOT:-}$1"
mkdir -p "$(dirname "$path")"
part="$(mktemp "$path.XXXXXX.part")"
trap 'rm -f "$part"' EXIT
chmod "$2" "$part"
cat > "$part"
mv -fT "$part" "$path"
trap - EXIT
"""


class SshMachine(Closable):
    """A logged-in connection; satisfies `domain.node.shell.Shell`.

    Several threads may use it at once, and others may be reached through it; those are closed
    with it, and before it.
    """

    def __init__(self, transport: paramiko.Transport, target: SshTarget, host_key: str) -> None:
        """Wrap a transport that is logged in; use `connect` to open one."""
        self.host_key = host_key
        self._transport = transport
        self._target = target
        self._inner: set[SshMachine] = set()
        self._outer: SshMachine | None = None
        self._lock = threading.Lock()

    @classmethod
    def connect(
        cls,
        target: SshTarget,
        *,
        jump: "SshMachine | None" = None,
        deadline: float = 30.0,
        accept_new_host_key: bool = False,
    ) -> Self:
        """Log in within `deadline` seconds, through another machine where one is given.

        `accept_new_host_key` matters only where the target names no host key: then any is
        accepted, and the caller pins `host_key`.

        Raises:
            TemporaryError: refused, timed out, or our key is not installed yet: it may be booting.
            HostKeyMismatch: the host key is not a pinned one; nothing was sent.
            CredentialsMissing: no host key is pinned.
        """
        transport, host_key = open_transport(
            target,
            jump._transport if jump else None,
            deadline,
            accept_new_host_key=accept_new_host_key,
        )
        machine = cls(transport, target, host_key)
        if jump:
            jump._adopt(machine)
        return machine

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline: float,
        stdin: bytes = b"",
        on_line: OnLine | None = None,
    ) -> Output:
        """Run one command to its end, as root; see `Shell.run`.

        There is no terminal. After the deadline the channel is closed, which ends a command that
        writes to it or reads from it. Another one may go on, so installers hold a lock.
        """
        ends = time.monotonic() + deadline
        command = argv if self._is_root else ["sudo", "-n", "--", *argv]
        what = f"{argv[0]} on {self._target.where}"
        with mapped_errors(what), self._session(ends) as channel:
            channel.exec_command(shlex.join(command))
            return follow(channel, stdin, ends, on_line, what)

    def write_file(self, path: str, content: bytes, mode: int) -> None:
        """Write a file atomically; its content is never readable with a wider mode.

        Missing folders are created.

        Raises:
            TemporaryError: the connection broke; an old file is unchanged.
            FinalError: the machine refuses it: no space, or the path is a folder.
        """
        if not self._is_root:
            argv = ["bash", "-c", WRITE_AS_ROOT, "file", path, f"{mode:o}"]
            output = self.run(argv, deadline=FILE_DEADLINE, stdin=content)
            if output.exit_code:
                raise FinalError(f"{path} on {self._target.where}: {output.stderr.strip()}")
            return
        part = f"{path}.{secrets.token_hex(4)}.part"
        with self._sftp(path) as sftp:
            _make_folders(sftp, posixpath.dirname(path))
            try:
                with sftp.open(part, "wbx") as file:
                    file.chmod(mode)
                    file.set_pipelined(True)
                    file.write(content)
                sftp.posix_rename(part, path)
            except BaseException:
                with suppress(OSError, EOFError, paramiko.SSHException):
                    sftp.remove(part)
                raise

    def close(self) -> None:
        """Close the connections through this one, then this one; may be repeated."""
        with self._lock:
            inner, self._inner = self._inner, set()
        for machine in inner:
            machine.close()
        with suppress(EOFError, OSError, paramiko.SSHException):  # the jump host may be lost
            self._transport.close()
        if self._outer:
            self._outer._forget(self)

    @property
    def _is_root(self) -> bool:
        return self._target.user == "root"

    def _adopt(self, machine: "SshMachine") -> None:
        machine._outer = self
        with self._lock:
            self._inner.add(machine)

    def _forget(self, machine: "SshMachine") -> None:
        with self._lock:
            self._inner.discard(machine)

    @contextmanager
    def _session(self, ends: float) -> Iterator[paramiko.Channel]:
        """Open a channel that is closed at the deadline.

        paramiko waits without a limit for the replies to `exec_command` and SFTP; only closing the
        channel ends such a wait.
        """
        channel = self._transport.open_session()
        # A little later, so that a slow command gets the error of `follow`.
        guard = threading.Timer(max(ends - time.monotonic(), 0.0) + 1.0, channel.close)
        guard.daemon = True
        guard.start()
        try:
            yield channel
        finally:
            guard.cancel()
            channel.close()

    @contextmanager
    def _sftp(self, path: str) -> Iterator[paramiko.SFTPClient]:
        where = f"{path} on {self._target.where}"
        ends = time.monotonic() + FILE_DEADLINE
        with mapped_errors(where), self._session(ends) as channel:
            channel.invoke_subsystem("sftp")
            try:
                yield paramiko.SFTPClient(channel)
            except (FileNotFoundError, PermissionError) as error:
                raise FinalError(f"{where}: {error.strerror}") from error
            except OSError as error:
                # Other answers of the SFTP server have no errno.
                is_answer = error.errno is None and not isinstance(error, TimeoutError)
                if is_answer and not channel.closed:
                    raise FinalError(f"{where}: {error}") from error
                raise


def _make_folders(sftp: paramiko.SFTPClient, folder: str) -> None:
    missing = []
    while folder not in ("", "/"):
        try:
            sftp.stat(folder)
            break
        except FileNotFoundError:
            missing.append(folder)
            folder = posixpath.dirname(folder)
    for name in reversed(missing):
        try:
            sftp.mkdir(name, 0o755)
        except OSError:
            sftp.stat(name)  # another process may have created it; otherwise this raises

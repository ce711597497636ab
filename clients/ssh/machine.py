"""One machine over SSH: commands and files, as root."""

import shlex
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Self

import paramiko

from clients.closing import Closable
from clients.ssh.connection import SshTarget, mapped_errors, open_transport
from clients.ssh.streams import OnLine, follow
from domain.kernel.errors import FinalError
from domain.node.shell import Output

FILE_DEADLINE = 120.0
"""Seconds that writing one file may take."""

SLOWEST = 256 * 1024
"""Bytes in a second of the slowest connection over which a large file is still written."""

# Not by SFTP, which acts as the login user, needs a shell that prints nothing, and reports any
# error of a disk as "Failure". The sum is checked on the machine: a connection that breaks ends the
# input, and a short file would take the place of a whole one.
WRITE_FILE = """\
set -euo pipefail
path="${SYSROOT:-}$1"
mkdir -p "${path%/*}"
part="$(umask 077 && mktemp "$path.XXXXXX.part")"
trap 'rm -f "$part"' EXIT
read -r wanted
cat > "$part"
sum="$(sha256sum < "$part")"
if [[ "${sum%% *}" != "$wanted" ]]; then
    echo 'what arrived is not what was sent' >&2
    exit 1
fi
chmod "$2" "$part"
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
        return self._run(argv[0], argv, deadline, stdin, on_line)

    def _run(
        self,
        name: str,
        argv: Sequence[str],
        deadline: float,
        stdin: bytes,
        on_line: OnLine | None = None,
    ) -> Output:
        ends = time.monotonic() + deadline
        command = argv if self._is_root else ["sudo", "-n", "--", *argv]
        what = f"{name} on {self._target.where}"
        with mapped_errors(what), self._session(ends) as channel:
            channel.exec_command(shlex.join(command))
            return follow(channel, stdin, ends, on_line, what)

    def write_file(self, path: str, content: bytes, mode: int) -> None:
        """Write a file atomically; its content is never readable with a wider mode.

        Missing folders are created. The file is in place only after its SHA-256 on the machine
        was the one of `content`.

        Raises:
            TemporaryError: the connection broke; an old file is unchanged.
            FinalError: the machine refuses it: no space, a read-only disk, or the path is a folder;
                an old file is unchanged.
        """
        argv = ["bash", "-c", WRITE_FILE, "file", path, f"{mode:o}"]
        stdin = f"{sha256(content).hexdigest()}\n".encode() + content
        deadline = FILE_DEADLINE + len(content) / SLOWEST
        output = self._run(path, argv, deadline, stdin)
        if output.exit_code:
            raise FinalError(f"{path} on {self._target.where}: {_last_line(output.stderr)}")

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
    def is_open(self) -> bool:
        """Whether the connection is there, as far as this side knows."""
        return self._transport.is_active()

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

        paramiko waits without a limit for the reply to `exec_command`; only closing the channel
        ends such a wait.
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


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "the machine did not say why"

"""Opening a connection: socket or tunnel, handshake, host key, login; each with a time limit."""

import io
import logging
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import paramiko
from paramiko.ssh_exception import ChannelException, IncompatiblePeer

from clients.ssh.bastion import find_bastion, open_through
from domain.kernel.errors import CredentialsMissing, FinalError, HostKeyMismatch, TemporaryError
from domain.secrets.hostkeys import fingerprint

# The transport's thread logs each failed handshake with a traceback, also while a machine boots;
# every one of these errors reaches our caller as an exception.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

CHANNEL_TIMEOUT = 60.0
"""Seconds that a machine may take to open one more channel; paramiko's default is an hour.

sshd answers after PAM has set the session up, for which a slow machine needed 25 seconds.
"""

KEEPALIVE = 15
"""Seconds between keep-alives, which keep NAT entries open but do not detect a lost peer."""

UNANSWERED_LIMIT = 60_000
"""Milliseconds after which the kernel closes a connection whose bytes are not acknowledged."""

# Still offered by paramiko 5.1; the sshd of every accepted image supports stronger ones.
WEAK_ALGORITHMS = {
    "macs": ["hmac-sha1", "hmac-md5", "hmac-sha1-96", "hmac-md5-96"],
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
}

# RFC 4254, sections 5.1 and 9.
ADMINISTRATIVELY_PROHIBITED = 1
FIRST_CHANNEL_MESSAGE, LAST_CHANNEL_MESSAGE = 93, 100  # window adjust … request failure
DATA_MESSAGES = (94, 95)
MSG_CHANNEL_EOF, MSG_CHANNEL_CLOSE = 96, 97


@dataclass(frozen=True, slots=True)
class SshTarget:
    """Address, user and key of a login, and the accepted host keys (`ssh-ed25519 AAAA…`).

    More than one host key is accepted because a machine that makes its own key answers with the
    old one until its server has loaded the new one.
    """

    address: str
    port: int
    user: str
    private_key: str = field(repr=False)
    host_keys: tuple[str, ...]
    bastion: str = ""  # for a machine without another of ours before it; see `bastion.py`

    @property
    def where(self) -> str:
        return f"{self.user}@{self.address}:{self.port}"


def open_transport(
    target: SshTarget,
    jump: paramiko.Transport | None,
    deadline: float,
    *,
    accept_new_host_key: bool,
) -> tuple[paramiko.Transport, str]:
    """Connect and log in within `deadline` seconds.

    Returns: the transport, and the host key of the machine.

    Raises: as `SshMachine.connect`.
    """
    if not target.host_keys and not accept_new_host_key:
        raise CredentialsMissing(
            f"no host key is pinned for {target.where}; only --accept-new-host-keys goes on"
        )
    ends = time.monotonic() + deadline
    with mapped_errors(target.where):
        login_key = _load_key(target.private_key)
        transport = OrderlyTransport(_open_socket(target, jump, deadline))
        try:
            _shake_hands(transport, target, ends)
            host_key = _check_host_key(transport, target)
            _log_in(transport, target, login_key, ends)
        except BaseException:
            transport.close()
            raise
    return transport, host_key


class OrderlyTransport(paramiko.Transport):
    """A transport that sends nothing on a channel after closing it.

    paramiko checks whether a channel is open, releases the lock, and then sends; so a tunnel's
    data may follow its end, and servers close the *whole* connection for that: all machines behind
    it would be lost because one was closed. This class checks again where messages are serialised.
    Needed as of paramiko 5.1; a test reaches many machines through one connection.
    """

    def __init__(self, sock: socket.socket | paramiko.Channel) -> None:
        super().__init__(sock, disabled_algorithms=WEAK_ALGORITHMS)
        self._ended: set[int] = set()
        self._closed: set[int] = set()

    def open_channel(self, *args: Any, **options: Any) -> paramiko.Channel:
        channel = super().open_channel(*args, **options)
        for gone in (self._ended, self._closed):  # servers use channel numbers again
            gone.discard(channel.remote_chanid)
        return channel

    def _send_message(self, data: paramiko.Message) -> None:
        kind, channel = struct.unpack_from(">BI", data.asbytes().ljust(5, b"\0"))
        if FIRST_CHANNEL_MESSAGE <= kind <= LAST_CHANNEL_MESSAGE:
            if channel in self._closed or (channel in self._ended and kind in DATA_MESSAGES):
                return
            if kind in (MSG_CHANNEL_EOF, MSG_CHANNEL_CLOSE):
                self._ended.add(channel)
            if kind == MSG_CHANNEL_CLOSE:
                self._closed.add(channel)
        super()._send_message(data)  # type: ignore[misc]  # private, so not in the stubs


@contextmanager
def mapped_errors(where: str) -> Iterator[None]:
    """Map all errors of paramiko and sockets to ours."""
    try:
        yield
    except IncompatiblePeer as error:
        if "host key" in str(error):
            raise HostKeyMismatch(f"{where} has no host key of the pinned kind") from error
        raise FinalError(f"{where} offers no secure SSH algorithm: {error}") from error
    except paramiko.AuthenticationException as error:
        raise TemporaryError(
            f"{where} does not accept our key ({error}); just after boot it may still be missing"
        ) from error
    except ChannelException as error:
        if error.code == ADMINISTRATIVELY_PROHIBITED:
            raise FinalError(f"{where}: the SSH server forbids it: {error.text}") from error
        raise TemporaryError(f"{where} cannot be reached yet: {error.text}") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise TemporaryError(f"{where}: {str(error) or type(error).__name__}") from error


def open_tunnel(
    jump: paramiko.Transport, address: str, port: int, timeout: float
) -> paramiko.Channel:
    """Let the machine behind `jump` connect to an address that only it can reach."""
    return jump.open_channel(
        "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=max(timeout, 0.1)
    )


def _open_socket(
    target: SshTarget, jump: paramiko.Transport | None, timeout: float
) -> socket.socket | paramiko.Channel:
    if jump is not None:
        return open_tunnel(jump, target.address, target.port, timeout)
    if bastion := find_bastion(target.bastion, target.address):
        return open_through(bastion, target.address, target.port, timeout)
    connection = socket.create_connection((target.address, target.port), timeout)
    # Otherwise every small packet waits for the acknowledgement of the one before.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux only
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_LIMIT)
    return connection


def _shake_hands(transport: paramiko.Transport, target: SshTarget, ends: float) -> None:
    remaining = max(ends - time.monotonic(), 0.1)
    transport.banner_timeout = transport.handshake_timeout = remaining
    transport.channel_timeout = CHANNEL_TIMEOUT
    if target.host_keys:
        transport.get_security_options().key_types = _algorithms(target.host_keys)
    done = threading.Event()
    transport.start_client(event=done)
    finished = done.wait(remaining)
    if not transport.is_active():
        raise transport.get_exception() or paramiko.SSHException("the handshake failed")
    if not finished:
        raise paramiko.SSHException("the SSH handshake took too long")


def _algorithms(host_keys: tuple[str, ...]) -> list[str]:
    """The signature algorithms of the pinned kinds, so that the server offers no other key."""
    kinds = dict.fromkeys(key.split(" ")[0] for key in host_keys)
    rsa = ["rsa-sha2-512", "rsa-sha2-256"]
    return [name for kind in kinds for name in (rsa if kind == "ssh-rsa" else [kind])]


def _check_host_key(transport: paramiko.Transport, target: SshTarget) -> str:
    key = transport.get_remote_server_key()
    seen = f"{key.get_name()} {key.get_base64()}"  # a pinned one may have a comment, too
    if target.host_keys and seen not in [" ".join(key.split()[:2]) for key in target.host_keys]:
        pinned = " or ".join(fingerprint(host_key) for host_key in target.host_keys)
        raise HostKeyMismatch(
            f"{target.where} answers with the host key {fingerprint(seen)} instead of {pinned}: "
            "it is another machine, or the connection is intercepted; nothing was sent"
        )
    return seen


def _log_in(
    transport: paramiko.Transport, target: SshTarget, key: paramiko.PKey, ends: float
) -> None:
    transport.auth_timeout = max(ends - time.monotonic(), 0.1)
    if transport.auth_publickey(target.user, key):
        raise paramiko.AuthenticationException("it requires a second factor")
    transport.set_keepalive(KEEPALIVE)


def _load_key(private_key: str) -> paramiko.PKey:
    try:
        return paramiko.Ed25519Key.from_private_key(io.StringIO(private_key))
    except (paramiko.SSHException, ValueError):
        # The cause is left out: its text could quote the key.
        raise FinalError("the saved SSH key is not an ed25519 key in OpenSSH form") from None

"""Public addresses: loopback addresses of this machine, shared with other local clouds on it."""

import errno
import ipaddress
import socket
import zlib
from collections.abc import Iterable

RANGE = ipaddress.IPv4Network("127.64.0.0/16")
PROBE_ADDRESS = "127.64.255.254"
"""Never allocated, so that a port in use there is in use on the whole range."""

CLAIM_PORT = 61999
"""A process that holds this UDP port of an address owns the address; it serves nothing."""

CANDIDATES = 4096
BLOCK, BLOCKS = 16, 4095  # all but the block of the probe address


class NoAddressLeft(OSError):
    """No public address can be claimed; the text has the reason."""


class PublicAddresses:
    """The addresses that one cloud holds.

    A claim is a bound UDP socket: it ends with the process in any case, and leaves every TCP port
    of the address free.

    Args:
        owner: determines the start in the range, so that a cloud rarely takes the addresses of
            another one that is stopped for a while.
    """

    def __init__(self, owner: str = "") -> None:
        self._first = zlib.crc32(owner.encode()) % BLOCKS * BLOCK if owner else 0
        self._claims: dict[str, socket.socket] = {}

    def claim(self, count: int) -> list[str]:
        """Take the next addresses that neither this nor any other cloud holds; all or none.

        Raises:
            NoAddressLeft: too few are free, or loopback addresses cannot be bound at all.
        """
        claimed: list[str] = []
        failure = "none is free"
        for offset in range(1, CANDIDATES):
            if len(claimed) == count:
                return claimed
            address = str(RANGE[(self._first + offset) % (BLOCKS * BLOCK)])
            try:
                self._bind(address)
            except OSError as error:
                failure = str(error)
                if error.errno != errno.EADDRINUSE:
                    break  # such as on a system whose loopback is 127.0.0.1 alone
            else:
                claimed.append(address)
        for address in claimed:
            self.release(address)
        raise NoAddressLeft(f"no public address is left in {RANGE}: {failure}")

    def hold(self, address: str) -> bool:
        """Claim exactly this address, as after a restart; return whether that succeeded."""
        try:
            self._bind(address)
        except OSError:
            return False
        return True

    def release(self, address: str) -> None:
        """Release an address; one that is not held is accepted."""
        if claim := self._claims.pop(address, None):
            claim.close()

    def close(self) -> None:
        for address in list(self._claims):
            self.release(address)

    def _bind(self, address: str) -> None:
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((address, CLAIM_PORT))
        except OSError:
            claim.close()
            raise
        self._claims[address] = claim


def why_not(error: OSError, port: int) -> str:
    """Return why a port cannot be listened on, as a phrase for users."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken: another program on this machine listens on it"
    if error.errno == errno.EACCES:
        return f"port {port} is reserved: this user may not listen on ports that low"
    return f"port {port} cannot be listened on: {error.strerror}"


def find_obstacle(ports: Iterable[int]) -> str:
    """Return why the first unusable TCP port cannot be published, or `""` when all can."""
    for port in ports:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((PROBE_ADDRESS, port))
                probe.listen(1)
            except OSError as error:
                return why_not(error, port)
    return ""

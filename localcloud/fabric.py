"""The private networks: connections and their rules, without a packet outside the process.

Every connection inside a VPC is a pair of connected Unix sockets: one end goes to the dialler,
the other to the listener on the private address. So a private address is unreachable from outside,
and the rules of the cloud apply to every connection.
"""

import socket
from collections.abc import Callable

Accept = Callable[[socket.socket, str], None]
"""Takes over one connected, non-blocking stream socket; the text is the dialler's address."""

Allow = Callable[[str, str, str, int], bool]
"""May (vpc, source address) reach (destination address, port)?"""

CHUNK = 64 * 1024


class Fabric:
    """Listeners by VPC, private address and port, and connections to them."""

    def __init__(self) -> None:
        self._listeners: dict[tuple[str, str, int], Accept] = {}
        self.allow: Allow = lambda vpc, source, address, port: True

    def listen(self, vpc: str, address: str, port: int, accept: Accept) -> None:
        """Listen on a private address. Raises `OSError` when the port is in use."""
        key = (vpc, address, port)
        if key in self._listeners:
            raise OSError(f"{address}:{port} in {vpc} is already listened on")
        self._listeners[key] = accept

    def close(self, vpc: str, address: str, port: int | None = None) -> None:
        """Stop listening on one port of an address, or on all of them; connections stay open."""
        for key in [k for k in self._listeners if k[:2] == (vpc, address)]:
            if port is None or key[2] == port:
                del self._listeners[key]

    def answers(self, vpc: str, source: str, address: str, port: int) -> bool:
        """Return whether a connection would be accepted, without connecting."""
        listens = (vpc, address, port) in self._listeners
        return listens and self.allow(vpc, source, address, port)

    def dial(self, vpc: str, source: str, address: str, port: int) -> socket.socket:
        """Connect from one address of a VPC to another.

        Raises:
            TimeoutError: a security group drops the packet.
            ConnectionRefusedError: the packet arrives, but nothing listens there.
        """
        if not self.allow(vpc, source, address, port):
            raise TimeoutError(f"{source} to {address}:{port} in {vpc}: dropped by a rule")
        accept = self._listeners.get((vpc, address, port))
        if accept is None:
            raise ConnectionRefusedError(f"{address}:{port} in {vpc}: nothing listens")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        accept(theirs, source)
        return ours

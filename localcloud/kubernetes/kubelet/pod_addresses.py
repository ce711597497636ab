"""The pod addresses of one node."""

import asyncio
import ipaddress


class PodAddresses:
    """Allocates addresses of the node's pod network, in turn."""

    def __init__(self) -> None:
        self.known = asyncio.Event()
        self.network = ""
        self._hosts: list[str] = []
        self._next = 0
        self._taken: set[str] = set()

    def use(self, cidr: str | None) -> None:
        """Set the node's pod network, once it is allocated."""
        if cidr and cidr != self.network:
            self.network = cidr
            # The first address is the bridge's, as with flannel.
            self._hosts = [str(host) for host in ipaddress.ip_network(cidr).hosts()][1:]
            self._next = 0
            self.known.set()

    def take(self, wanted: str | None = None) -> str:
        """Allocate an address: the wanted one if it is free.

        Raises:
            LookupError: all addresses of this node are taken.
        """
        if wanted and wanted in self._hosts and wanted not in self._taken:
            self._taken.add(wanted)
            return wanted
        for _ in self._hosts:
            address = self._hosts[self._next]
            self._next = (self._next + 1) % len(self._hosts)
            if address not in self._taken:
                self._taken.add(address)
                return address
        raise LookupError(f"no IP addresses available in range set: {self.network}")

    def give_back(self, address: str) -> None:
        """Release an address."""
        self._taken.discard(address)

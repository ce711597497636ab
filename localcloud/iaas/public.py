"""Public ports on loopback addresses, forwarded into private networks."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from localcloud.addresses import why_not
from localcloud.connections import Visits, splice
from localcloud.fabric import Fabric
from localcloud.iaas.errors import JobFailure

log = logging.getLogger(__name__)

Place = tuple[str, int]
"""A public address and a port on it."""

Admits = Callable[[str, str, int], bool]
"""Whether a connection is admitted: (owner of the public address, source, public port)."""


@dataclass(frozen=True, slots=True)
class Forward:
    """A public port, and its private target.

    Attributes:
        owner_id: the router, instance or load balancer that has the public address.
        vpc: where the target is.
    """

    address: str
    port: int
    owner_id: str
    vpc: str
    target: str
    target_port: int


class PublicPort:
    """One listening public port. Its forward may be replaced while it is open."""

    def __init__(self, forward: Forward, fabric: Fabric, admits: Admits) -> None:
        self.forward = forward
        self._fabric = fabric
        self._admits = admits
        self._server: asyncio.Server | None = None
        self._visits = Visits(self._serve)

    async def open(self) -> None:
        """Start to listen. Raises `OSError` when the port cannot be bound."""
        self._server = await asyncio.start_server(
            self._visits.accept, self.forward.address, self.forward.port
        )

    async def close(self) -> None:
        """Stop listening, and close the accepted connections."""
        if self._server is not None:
            self._server.close()
        await self._visits.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        forward = self.forward
        source = writer.get_extra_info("peername")[0]
        try:
            if not self._admits(forward.owner_id, source, forward.port):
                return
            # As behind a real forward, the target sees the client's own address.
            inner = self._fabric.dial(forward.vpc, source, forward.target, forward.target_port)
            await splice((reader, writer), await asyncio.open_connection(sock=inner))
        except OSError as error:
            log.info("%s:%d: %s", forward.address, forward.port, error)


class PublicPorts:
    """All public ports that a cloud listens on."""

    def __init__(self, fabric: Fabric, admits: Admits) -> None:
        self._fabric = fabric
        self._admits = admits
        self._ports: dict[Place, PublicPort] = {}
        self._changing = asyncio.Lock()

    async def publish(
        self, owner_id: str, wanted: Callable[[], Iterable[Forward]], *, leniently: bool = False
    ) -> None:
        """Publish exactly the wanted forwards of an owner.

        All or nothing: when a new port cannot be bound, the published ports stay. Changes run
        one after another, and `wanted` is called when its turn comes, because rules and forwards
        of one router may be applied at the same time.

        Args:
            leniently: skip ports that cannot be bound.

        Raises:
            JobFailure: a port cannot be bound; the text names it.
        """
        async with self._changing:
            forwards = {(forward.address, forward.port): forward for forward in wanted()}
            self._ports |= await self._open(
                {place: f for place, f in forwards.items() if place not in self._ports}, leniently
            )
            for place in forwards.keys() & self._ports.keys():
                self._ports[place].forward = forwards[place]
            superfluous = self._places_of(owner_id) - forwards.keys()
            await self._close([self._ports.pop(place) for place in superfluous])

    async def close(self) -> None:
        ports, self._ports = list(self._ports.values()), {}
        await self._close(ports)

    async def _open(self, forwards: dict[Place, Forward], lenient: bool) -> dict[Place, PublicPort]:
        opened: dict[Place, PublicPort] = {}
        for place, forward in forwards.items():
            port = PublicPort(forward, self._fabric, self._admits)
            try:
                await port.open()
            except OSError as error:
                reason = f"{why_not(error, forward.port)} ({forward.address})"
                if lenient:
                    log.warning("%s is not published on a port: %s", forward.owner_id, reason)
                    continue
                await self._close(opened.values())
                raise JobFailure(f"PublicPortTaken, {reason}") from error
            opened[place] = port
        return opened

    def _places_of(self, owner_id: str) -> set[Place]:
        return {place for place, port in self._ports.items() if port.forward.owner_id == owner_id}

    @staticmethod
    async def _close(ports: Iterable[PublicPort]) -> None:
        for port in ports:
            await port.close()

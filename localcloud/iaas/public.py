"""The public side: ports on loopback addresses, forwarded into private networks."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from localcloud.addresses import why_not
from localcloud.fabric import Fabric, splice
from localcloud.iaas.errors import JobFailure

log = logging.getLogger(__name__)

Place = tuple[str, int]
"""A public address and a port on it."""

Admits = Callable[[str, str, int], bool]
"""May a visitor come in? Called as (owner of the public address, source, public port)."""


@dataclass(frozen=True, slots=True)
class Forward:
    """A public port, and the private one that it leads to.

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


class Door:
    """One listening public port. The forward behind it may be exchanged while it is open."""

    def __init__(self, forward: Forward, fabric: Fabric, admits: Admits) -> None:
        self.forward = forward
        self._fabric = fabric
        self._admits = admits
        self._server: asyncio.Server | None = None
        self._visits: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Start to listen; raises `OSError` when the host cannot give the port."""
        self._server = await asyncio.start_server(
            self._visit, self.forward.address, self.forward.port
        )

    async def close(self) -> None:
        """Stop to listen, and cut the connections that came in here."""
        if self._server is not None:
            self._server.close()
        visits = list(self._visits)
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = asyncio.current_task()
        assert visit is not None
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)
        forward = self.forward
        source = writer.get_extra_info("peername")[0]
        try:
            if not self._admits(forward.owner_id, source, forward.port):
                return
            # As behind a real forward, the target sees the visitor's own address.
            inner = self._fabric.dial(forward.vpc, source, forward.target, forward.target_port)
            with suppress(asyncio.CancelledError):
                await splice((reader, writer), await asyncio.open_connection(sock=inner))
        except OSError as error:
            log.info("%s:%d: %s", forward.address, forward.port, error)
        finally:
            writer.transport.abort()


class PublicPorts:
    """All public ports that a cloud listens on."""

    def __init__(self, fabric: Fabric, admits: Admits) -> None:
        self._fabric = fabric
        self._admits = admits
        self._doors: dict[Place, Door] = {}
        self._changing = asyncio.Lock()

    async def publish(
        self, owner_id: str, wanted: Callable[[], Iterable[Forward]], *, leniently: bool = False
    ) -> None:
        """Make exactly the wanted forwards of an owner answer.

        All or nothing: what listened before goes on when one of the new ports cannot be had.
        One change at a time, and `wanted` is asked when its turn has come: rules and forwards
        of one router may come into force at the same moment.

        Args:
            leniently: go without the ports that cannot be had.

        Raises:
            JobFailure: the host refuses a port; the text names it.
        """
        async with self._changing:
            forwards = {(forward.address, forward.port): forward for forward in wanted()}
            self._doors |= await self._open(
                {place: f for place, f in forwards.items() if place not in self._doors}, leniently
            )
            for place in forwards.keys() & self._doors.keys():
                self._doors[place].forward = forwards[place]
            superfluous = self._places_of(owner_id) - forwards.keys()
            await self._close([self._doors.pop(place) for place in superfluous])

    async def close(self) -> None:
        doors, self._doors = list(self._doors.values()), {}
        await self._close(doors)

    async def _open(self, forwards: Mapping[Place, Forward], leniently: bool) -> dict[Place, Door]:
        opened: dict[Place, Door] = {}
        for place, forward in forwards.items():
            door = Door(forward, self._fabric, self._admits)
            try:
                await door.open()
            except OSError as error:
                reason = f"{why_not(error, forward.port)} ({forward.address})"
                if leniently:
                    log.warning("%s goes without a port: %s", forward.owner_id, reason)
                    continue
                await self._close(opened.values())
                raise JobFailure(f"PublicPortTaken, {reason}") from error
            opened[place] = door
        return opened

    def _places_of(self, owner_id: str) -> set[Place]:
        return {place for place, door in self._doors.items() if door.forward.owner_id == owner_id}

    @staticmethod
    async def _close(doors: Iterable[Door]) -> None:
        for door in doors:
            await door.close()

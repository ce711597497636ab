"""Load balancers at work: listeners in a private network, spliced to backends that answer."""

import asyncio
import logging
import socket
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress

from localcloud.fabric import Fabric
from localcloud.iaas.balancer_records import Backend, Listener, ListenerInForce, LoadBalancer
from localcloud.iaas.http_routing import BAD_REQUEST, NO_BACKEND, BadHead, choose, read_head
from localcloud.iaas.silence import Watched, open_watched, splice_while_busy
from localcloud.iaas.state import State

log = logging.getLogger(__name__)

Way = tuple[str, str, str, int]
"""What the fabric wants to know of a connection: VPC, source, address and port."""


class Balancers:
    """Keeps the listeners of all balancers as they were last applied."""

    def __init__(self, state: State, fabric: Fabric) -> None:
        self._state = state
        self._fabric = fabric
        self._turns: defaultdict[str, int] = defaultdict(int)
        self._places: dict[str, tuple[str, str]] = {}  # balancer -> (vpc, address)
        self._visits: set[asyncio.Task[None]] = set()

    def refresh(self, balancer: LoadBalancer) -> None:
        """Listen on exactly the ports that are in force; connections under way go on."""
        self.silence(balancer.id)
        vpc = self._state.vxnets[balancer.vxnet_id].router_id
        self._places[balancer.id] = (vpc, balancer.address)
        for active in balancer.applied.listeners:

            def accept(
                connection: socket.socket, source: str, active: ListenerInForce = active
            ) -> None:
                visit = asyncio.ensure_future(self._visit(balancer, active, connection, source))
                self._visits.add(visit)
                visit.add_done_callback(self._visits.discard)

            self._fabric.listen(vpc, balancer.address, active.listener.port, accept)

    def silence(self, balancer_id: str) -> None:
        """Stop listening; a balancer that never did is fine."""
        if place := self._places.pop(balancer_id, None):
            self._fabric.close(*place)

    async def close(self) -> None:
        """Silence all balancers, and cut their connections."""
        for balancer_id in list(self._places):
            self.silence(balancer_id)
        visits = list(self._visits)
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)

    def is_up(self, backend: Backend) -> bool:
        """Tell whether a backend is in force and would answer now."""
        balancer = self._state.loadbalancers.get(backend.loadbalancer_id)
        if balancer is None or balancer.id not in self._places:
            return False
        in_force = {one.id: one for active in balancer.applied.listeners for one in active.backends}
        active = in_force.get(backend.id)
        way = self._way_to(active) if active and not active.is_disabled else None
        return way is not None and self._fabric.answers(*way)

    async def _visit(
        self,
        balancer: LoadBalancer,
        active: ListenerInForce,
        connection: socket.socket,
        source: str,
    ) -> None:
        near = await open_watched(connection)
        with suppress(asyncio.CancelledError, OSError):
            if active.listener.protocol == "http":
                await self._forward_request(balancer, active, near, source)
            elif inner := self._dial(active, active.backends):
                far = await open_watched(inner)
                await splice_while_busy(near, far, active.listener.timeout)
        near[1].close()

    async def _forward_request(
        self, balancer: LoadBalancer, active: ListenerInForce, near: Watched, source: str
    ) -> None:
        """Pass one request to a backend that it may go to, or answer why that cannot be."""
        patience = active.listener.timeout
        try:
            async with asyncio.timeout(patience):
                head = await read_head(near[0], most=balancer.http_header_size * 1024)
        except (BadHead, TimeoutError) as error:
            log.info("%s: %s", active.listener.id, error)
            near[1].write(BAD_REQUEST)
            return
        backends = choose(active.backends, head, self._state.policies)
        inner = self._dial(active, backends)
        if inner is None:
            near[1].write(NO_BACKEND)
            return
        far = await open_watched(inner)
        far[1].write(head.passed_on(_headers_for(balancer, active.listener, source)))
        await splice_while_busy(near, far, patience)

    def _dial(self, active: ListenerInForce, backends: Iterable[Backend]) -> socket.socket | None:
        """Connect to the first of some backends in turn that answers."""
        for backend in self._in_turn(active, backends):
            if way := self._way_to(backend):
                try:
                    return self._fabric.dial(*way)
                except OSError as error:
                    log.info("%s: %s", backend.id, error)
        return None

    def _way_to(self, backend: Backend) -> Way | None:
        """Return how its balancer reaches a backend; None when its machine is gone."""
        instance = self._state.instances.get(backend.resource_id)
        if instance is None or not instance.is_alive:
            return None
        _, source = self._places.get(backend.loadbalancer_id, ("", ""))
        # A public balancer reaches into the network of each of its backends.
        vpc = self._state.vxnets[instance.vxnet_id].router_id if instance.vxnet_id else ""
        return vpc, source, instance.address, backend.port

    def _in_turn(self, active: ListenerInForce, backends: Iterable[Backend]) -> list[Backend]:
        """Return backends, the next in the round first; weights are turns in the round."""
        usable = [backend for backend in backends if not backend.is_disabled]
        round_ = [backend for backend in usable for _ in range(backend.weight)]
        if not round_:
            return []
        turn = self._turns[active.listener.id] % len(round_)
        self._turns[active.listener.id] += 1
        first_come = dict.fromkeys(b.id for b in (*round_[turn:], *round_[:turn]))
        by_id = {backend.id: backend for backend in usable}
        return [by_id[backend_id] for backend_id in first_come]


def _headers_for(balancer: LoadBalancer, listener: Listener, source: str) -> list[tuple[str, str]]:
    """Return the headers that a listener adds; each bit of `forwardfor` stands for one."""
    values = (source, balancer.id, balancer.address)
    names = ("X-Forwarded-For", "QC-LBID", "QC-LBIP")
    pairs = enumerate(zip(names, values, strict=True))
    return [pair for bit, pair in pairs if listener.forwardfor & 1 << bit]

"""The data path of load balancers: listeners in a private network, spliced to backends."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from localcloud.clock import Clock
from localcloud.connections import hang_up
from localcloud.fabric import Fabric
from localcloud.iaas.balancer_records import Backend, Listener, ListenerInForce, LoadBalancer
from localcloud.iaas.health import HealthChecks
from localcloud.iaas.http_routing import BAD_REQUEST, NO_BACKEND, BadHead, choose, read_head
from localcloud.iaas.idle import Watched, accept_watched, open_watched, splice_while_busy
from localcloud.iaas.state import State
from localcloud.iaas.stickiness import read_stickiness
from localcloud.iaas.tls import backend_side, server_side
from localcloud.iaas.turns import Turns

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0
"""Seconds after which a connection to an address that nothing has is given up."""

Way = tuple[str, str, str, int]
"""A connection as the fabric needs it: VPC, source, address and port."""


class Balancers:
    """Runs the listeners of all balancers as they were last applied."""

    def __init__(self, clock: Clock, state: State, fabric: Fabric, pace: float = 1.0) -> None:
        """Take how much of the intervals between health checks passes."""
        self._clock = clock
        self._state = state
        self._fabric = fabric
        self._turns = Turns()
        self._checks = HealthChecks(clock, self._reach, self._answers, pace)
        self._connect_timeout = CONNECT_TIMEOUT * pace
        self._places: dict[str, tuple[str, str]] = {}  # balancer -> (vpc, address)
        self._connections: set[asyncio.Task[None]] = set()

    def refresh(self, balancer: LoadBalancer) -> None:
        """Listen on exactly the ports that are in force; open connections stay."""
        self.stop(balancer.id)
        vpc = self._state.vxnets[balancer.vxnet_id].router_id
        self._places[balancer.id] = (vpc, balancer.address)
        for active in balancer.applied.listeners:
            if active.listener.is_udp:
                continue
            accept = partial(self._accept, balancer, active, self._tls_of(active.listener))
            self._fabric.listen(vpc, balancer.address, active.listener.port, accept)
            self._checks.watch(balancer.id, active)

    def stop(self, balancer_id: str) -> None:
        """Stop listening; a balancer without listeners is accepted."""
        self._checks.forget(balancer_id)
        if place := self._places.pop(balancer_id, None):
            self._fabric.close(*place)

    async def close(self) -> None:
        """Stop all balancers, and close their connections."""
        for balancer_id in list(self._places):
            self.stop(balancer_id)
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def is_up(self, backend: Backend) -> bool:
        """Return whether a backend is in force and answers now."""
        balancer = self._state.loadbalancers.get(backend.loadbalancer_id)
        if balancer is None or balancer.id not in self._places:
            return False
        in_force = {one.id: one for active in balancer.applied.listeners for one in active.backends}
        active = in_force.get(backend.id)
        way = self._way_to(active) if active and not active.is_disabled else None
        return way is not None and self._checks.is_healthy(backend.id)

    def _tls_of(self, listener: Listener) -> ssl.SSLContext | None:
        if not listener.is_tls:
            return None
        certificate = self._state.certificates[listener.certificate_ids[0]]
        return server_side(certificate.content, certificate.private_key)

    def _accept(
        self,
        balancer: LoadBalancer,
        active: ListenerInForce,
        tls: ssl.SSLContext | None,
        connection: socket.socket,
        source: str,
    ) -> None:
        async def run() -> None:
            with suppress(asyncio.CancelledError, OSError):
                near = await accept_watched(connection, active.listener.timeout, tls)
                try:
                    await self._serve(balancer, active, near, source)
                finally:
                    await hang_up(near[1])

        task = asyncio.ensure_future(run())
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(
        self, balancer: LoadBalancer, active: ListenerInForce, near: Watched, source: str
    ) -> None:
        if active.listener.is_http:
            await self._forward_request(balancer, active, near, source)
        elif found := await self._dial(active.listener, active.backends, source):
            backend, inner = found
            with self._turns.count_connection(backend):
                far = await _take_over(inner, active.listener)
                await splice_while_busy(near, far, active.listener.timeout)

    async def _forward_request(
        self, balancer: LoadBalancer, active: ListenerInForce, near: Watched, source: str
    ) -> None:
        """Forward one request to an allowed backend, or answer with an error."""
        listener = active.listener
        try:
            async with asyncio.timeout(listener.timeout):
                head = await read_head(near[0], most=balancer.http_header_size * 1024)
        except (BadHead, TimeoutError) as error:
            log.info("%s: %s", listener.id, error)
            near[1].write(BAD_REQUEST)
            return
        sticky = read_stickiness(listener.session_sticky)
        known = sticky.known(head) if sticky else ""
        backends = choose(active.backends, head, self._state.policies)
        found = await self._dial(listener, backends, source, known)
        if found is None:
            near[1].write(NO_BACKEND)
            return
        backend, inner = found
        with self._turns.count_connection(backend):
            try:
                far = await _take_over(inner, listener)
            except OSError as error:
                log.info("%s: %s", backend.id, error)
                near[1].write(NO_BACKEND)
                return
            if sticky:
                head = sticky.clean(head)
                far[0].edit_head(partial(sticky.mark, backend_id=backend.id, known=known))
            far[1].write(head.passed_on(_headers_for(balancer, listener, source)))
            await splice_while_busy(near, far, listener.timeout)

    async def _dial(
        self, listener: Listener, backends: Iterable[Backend], source: str, known: str = ""
    ) -> tuple[Backend, socket.socket] | None:
        """Connect to the first backend that counts as healthy: the sticky one, then in turn.

        Where that one does not answer, no other is tried: it is left out once its checks fail.
        """
        in_turn = self._turns.order(listener, backends, source)
        for backend in sorted(in_turn, key=lambda one: one.id != known):
            if self._checks.is_healthy(backend.id):
                return await self._connect(backend)
        return None

    async def _connect(self, backend: Backend) -> tuple[Backend, socket.socket] | None:
        way = self._way_to(backend)
        if way is None:  # nothing has this address any more
            await self._clock.sleep(self._connect_timeout)
            return None
        try:
            return backend, self._fabric.dial(*way)
        except OSError as error:
            log.info("%s: %s", backend.id, error)
            return None

    def _answers(self, backend: Backend) -> bool:
        way = self._way_to(backend)
        return way is not None and self._fabric.answers(*way)

    async def _reach(self, active: ListenerInForce, backend: Backend) -> Watched:
        """Connect to one backend. Raises `OSError`."""
        way = self._way_to(backend)
        if way is None:
            raise ConnectionRefusedError(f"{backend.resource_id} is gone")
        return await _take_over(self._fabric.dial(*way), active.listener)

    def _way_to(self, backend: Backend) -> Way | None:
        """Return how the balancer reaches a backend; None when its machine is gone."""
        instance = self._state.instances.get(backend.resource_id)
        if instance is None or not instance.is_alive:
            return None
        _, source = self._places.get(backend.loadbalancer_id, ("", ""))
        # A public balancer reaches into the network of each of its backends.
        vpc = self._state.vxnets[instance.vxnet_id].router_id if instance.vxnet_id else ""
        return vpc, source, instance.address, backend.port


async def _take_over(inner: socket.socket, listener: Listener) -> Watched:
    """Take over a connection to a backend, with TLS where the listener wants it.

    Raises:
        OSError: the handshake fails, or is not done in time.
    """
    is_tls = listener.backend_protocol in ("https", "ssl")
    return await open_watched(inner, listener.timeout, backend_side() if is_tls else None)


def _headers_for(balancer: LoadBalancer, listener: Listener, source: str) -> list[tuple[str, str]]:
    """Return the headers that a listener adds; each bit of `forwardfor` stands for one."""
    values = (source, balancer.id, balancer.address)
    names = ("X-Forwarded-For", "QC-LBID", "QC-LBIP")
    pairs = enumerate(zip(names, values, strict=True))
    return [pair for bit, pair in pairs if listener.forwardfor & 1 << bit]

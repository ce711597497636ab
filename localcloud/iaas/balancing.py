"""Load balancers at work: listeners in a private network, spliced to backends that answer."""

import asyncio
import logging
import socket
from collections import defaultdict
from contextlib import suppress

from localcloud.fabric import Fabric
from localcloud.iaas.records import Backend, ListenerInForce, LoadBalancer
from localcloud.iaas.silence import open_watched, splice_while_busy
from localcloud.iaas.state import State

log = logging.getLogger(__name__)


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
                visit = asyncio.ensure_future(self._visit(balancer, active, connection))
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

    async def _visit(
        self, balancer: LoadBalancer, active: ListenerInForce, connection: socket.socket
    ) -> None:
        near = await open_watched(connection)
        inner = self._dial(balancer, active)
        if inner is None:
            near[1].close()
            return
        with suppress(asyncio.CancelledError):
            await splice_while_busy(near, await open_watched(inner), active.listener.timeout)

    def _dial(self, balancer: LoadBalancer, active: ListenerInForce) -> socket.socket | None:
        """Connect to the first backend in turn that answers, and note who does not."""
        _, source = self._places.get(balancer.id, ("", ""))
        for backend in self._in_turn(active):
            instance = self._state.instances.get(backend.resource_id)
            stored = self._state.backends.get(backend.id, backend)
            if instance is None or not instance.is_alive:
                stored.health = "down"
                continue
            # A public balancer reaches into the network of each of its backends.
            vpc = self._state.vxnets[instance.vxnet_id].router_id if instance.vxnet_id else ""
            try:
                connection = self._fabric.dial(vpc, source, instance.address, backend.port)
            except OSError as error:
                log.info("%s: %s", backend.id, error)
                stored.health = "down"
            else:
                stored.health = "up"
                return connection
        return None

    def _in_turn(self, active: ListenerInForce) -> list[Backend]:
        """Return the backends, the next in the round first; weights are turns in the round."""
        usable = [backend for backend in active.backends if not backend.is_disabled]
        round_ = [backend for backend in usable for _ in range(backend.weight)]
        if not round_:
            return []
        turn = self._turns[active.listener.id] % len(round_)
        self._turns[active.listener.id] += 1
        first_come = dict.fromkeys(b.id for b in (*round_[turn:], *round_[:turn]))
        by_id = {backend.id: backend for backend in usable}
        return [by_id[backend_id] for backend_id in first_come]

"""The order in which a listener tries its backends."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from localcloud.iaas.balancer_records import Backend, Listener

MODES = ("roundrobin", "leastconn", "source")


class Turns:
    """Keeps the position of each round robin, and the connections of each backend."""

    def __init__(self) -> None:
        self._turns: defaultdict[str, int] = defaultdict(int)
        self._connections: Counter[str] = Counter()

    def order(self, listener: Listener, backends: Iterable[Backend], source: str) -> list[Backend]:
        """Return the enabled backends, the preferred one for a client first."""
        usable = [backend for backend in backends if not backend.is_disabled]
        # Weights are turns in the round.
        round_ = [backend for backend in usable for _ in range(backend.weight)]
        if not round_:
            return []
        first = self._first_of(listener, source) % len(round_)
        first_come = dict.fromkeys(one.id for one in (*round_[first:], *round_[:first]))
        by_id = {backend.id: backend for backend in usable}
        in_turn = [by_id[backend_id] for backend_id in first_come]
        if listener.balance_mode == "leastconn":  # equal ones in turn
            in_turn.sort(key=lambda one: self._connections[one.id] / one.weight)
        return in_turn

    def _first_of(self, listener: Listener, source: str) -> int:
        if listener.balance_mode == "source":
            return zlib.crc32(source.encode())
        turn = self._turns[listener.id]
        self._turns[listener.id] += 1
        return turn

    @contextmanager
    def count_connection(self, backend: Backend) -> Iterator[None]:
        """Count a connection to a backend while the context is open."""
        self._connections[backend.id] += 1
        try:
            yield
        finally:
            self._connections[backend.id] -= 1

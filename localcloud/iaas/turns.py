"""Whose turn it is: the order in which a listener tries its backends."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from localcloud.iaas.balancer_records import Backend, Listener

MODES = ("roundrobin", "leastconn", "source")


class Turns:
    """Remembers where every round is, and how busy every backend."""

    def __init__(self) -> None:
        self._turns: defaultdict[str, int] = defaultdict(int)
        self._visitors: Counter[str] = Counter()

    def order(self, listener: Listener, backends: Iterable[Backend], source: str) -> list[Backend]:
        """Return the backends that are not disabled, the best one for a visitor first."""
        usable = [backend for backend in backends if not backend.is_disabled]
        # Weights are turns in the round.
        round_ = [backend for backend in usable for _ in range(backend.weight)]
        if not round_:
            return []
        first = self._first_of(listener, source) % len(round_)
        first_come = dict.fromkeys(one.id for one in (*round_[first:], *round_[:first]))
        by_id = {backend.id: backend for backend in usable}
        in_turn = [by_id[backend_id] for backend_id in first_come]
        if listener.balance_mode == "leastconn":  # those with equally few take turns
            in_turn.sort(key=lambda one: self._visitors[one.id] / one.weight)
        return in_turn

    def _first_of(self, listener: Listener, source: str) -> int:
        if listener.balance_mode == "source":
            return zlib.crc32(source.encode())
        turn = self._turns[listener.id]
        self._turns[listener.id] += 1
        return turn

    @contextmanager
    def visiting(self, backend: Backend) -> Iterator[None]:
        """Count a visitor of a backend for as long as this lasts."""
        self._visitors[backend.id] += 1
        try:
            yield
        finally:
            self._visitors[backend.id] -= 1

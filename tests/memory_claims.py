"""The claim of a cluster in memory, where a test needs no Prefect server."""

from itertools import count
from threading import Lock

from domain.cluster.claims import Holder, Kept


class MemoryClaims:
    """Satisfies `domain.cluster.claims.ClaimStore`."""

    def __init__(self) -> None:
        self.kept: Kept | None = None
        self._ids = count(1)
        self._lock = Lock()

    def find(self) -> Kept | None:
        return self.kept

    def create(self, holder: Holder) -> bool:
        with self._lock:
            if self.kept:
                return False
            self.kept = Kept(str(next(self._ids)), holder)
            return True

    def renew(self, claim: Kept) -> bool:
        with self._lock:
            if not self.kept or self.kept.id != claim.id:
                return False
            self.kept = claim
            return True

    def delete(self, claim: Kept) -> None:
        with self._lock:
            if self.kept and self.kept.id == claim.id:
                self.kept = None

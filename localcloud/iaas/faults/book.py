"""The faults in force: which of them strikes on an occasion, and how often each has."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeVar

from localcloud.iaas.faults.fault import BadFault, Fault
from localcloud.iaas.faults.kinds import MachineFault, Quota, RateLimit

F = TypeVar("F", bound=Fault)


@dataclass(slots=True)
class Entry:
    """A fault in force.

    Attributes:
        strikes: how often it has struck.
        struck: the machines it has struck, where it strikes machines.
        due: when, on some of these, the rest of it is to happen: the death, or the recovery.
        answered: when the calls of a rate limit were answered, as far back as it looks.
    """

    id: str
    fault: Fault
    strikes: int = 0
    struck: list[str] = field(default_factory=list)
    due: dict[str, datetime] = field(default_factory=dict)
    answered: deque[datetime] = field(default_factory=deque)
    chance: Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.chance = Random(f"{self.fault.kind} {self.fault.seed}")  # noqa: S311 - no secret

    @property
    def is_spent(self) -> bool:
        return self.fault.times is not None and self.strikes >= self.fault.times

    def draw(self) -> bool:
        """Use up one occasion; tell whether the fault strikes on it."""
        if self.is_spent or self.chance.random() >= self.fault.share:
            return False
        self.strikes += 1
        return True

    def hits(self, fault: MachineFault, instance_id: str, name: str) -> bool:
        """Use up one occasion if it is about this machine; note and tell whether it is hit."""
        if not fault.covers(instance_id, name) or not self.draw():
            return False
        if instance_id not in self.struck:
            self.struck.append(instance_id)
        return True

    def to_document(self) -> dict[str, Any]:
        return {"id": self.id, **self.fault.to_document(), "strikes": self.strikes}


class FaultBook:
    """All faults of one cloud, in the order they were added; the first that strikes wins."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._added = 0

    def add(self, fault: Fault) -> Entry:
        self._added += 1
        entry = Entry(f"f-{self._added}", fault)
        self._entries[entry.id] = entry
        return entry

    def take_back(self, entry: Entry) -> None:
        """Put an entry of an earlier book in force as it was."""
        self._added = max(self._added, int(entry.id.removeprefix("f-")))
        self._entries[entry.id] = entry

    def remove(self, fault_id: str) -> Entry:
        """Take a fault out of force; raises `BadFault` when there is none of that id."""
        if fault_id not in self._entries:
            known = ", ".join(self._entries) or "none"
            raise BadFault(f"no fault {fault_id!r} is in force; there is {known}")
        return self._entries.pop(fault_id)

    def entries(self) -> list[Entry]:
        return list(self._entries.values())

    def strike(self, kind: type[F], covers: Callable[[F], bool] = lambda fault: True) -> F | None:
        """Return the fault of a kind that strikes on this occasion, if one does."""
        for entry, fault in self._of(kind):
            if covers(fault) and entry.draw():
                return fault
        return None

    def strike_machine(self, kind: type[MachineFault], instance_id: str, name: str) -> Entry | None:
        """Let a fault of a kind hit a machine on this occasion, if one does; return its entry."""
        for entry, fault in self._of(kind):
            if entry.hits(fault, instance_id, name):
                return entry
        return None

    def quota(self, resource: str, most: int) -> int:
        """Return how much of a resource an account may have, by the lowest quota in force."""
        return min([most, *(f.most for _, f in self._of(Quota) if f.resource == resource)])

    def exceeds_rate(self, action: str, now: datetime) -> RateLimit | None:
        """Count a call, unless a rate limit refuses it; then return that limit."""
        limits = [(entry, fault) for entry, fault in self._of(RateLimit) if fault.covers(action)]
        for entry, fault in limits:
            while entry.answered and now - entry.answered[0] >= timedelta(seconds=fault.seconds):
                entry.answered.popleft()
            if len(entry.answered) >= fault.calls and entry.draw():
                return fault
        for entry, _ in limits:
            entry.answered.append(now)
        return None

    def _of(self, kind: type[F]) -> Iterator[tuple[Entry, F]]:
        for entry in self.entries():
            if isinstance(entry.fault, kind):
                yield entry, entry.fault

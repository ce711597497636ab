"""The faults in force: which one strikes on an occasion, and how often each has struck."""

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
        struck: ids of the machines that it has struck.
        due: when a struck machine is to stop or to recover, by its id.
        answered: times of the calls within the span of a rate limit.
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
        """Use up one occasion, and return whether the fault strikes on it."""
        if self.is_spent or self.chance.random() >= self.fault.share:
            return False
        self.strikes += 1
        return True

    def hits(self, fault: MachineFault, instance_id: str, name: str) -> bool:
        """Use up an occasion of this machine; record and return whether the fault strikes."""
        if not fault.covers(instance_id, name) or not self.draw():
            return False
        if instance_id not in self.struck:
            self.struck.append(instance_id)
        return True

    def to_document(self) -> dict[str, Any]:
        return {"id": self.id, **self.fault.to_document(), "strikes": self.strikes}


class FaultRegistry:
    """All faults of one cloud, in the order they were added; the first that strikes wins."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._added = 0

    def add(self, fault: Fault) -> Entry:
        self._added += 1
        entry = Entry(f"f-{self._added}", fault)
        self._entries[entry.id] = entry
        return entry

    def restore(self, entry: Entry) -> None:
        """Put a stored entry in force again."""
        self._added = max(self._added, int(entry.id.removeprefix("f-")))
        self._entries[entry.id] = entry

    def remove(self, fault_id: str) -> Entry:
        """Remove a fault, and return its entry. Raises `BadFault` for an unknown id."""
        if fault_id not in self._entries:
            known = ", ".join(self._entries) or "none"
            raise BadFault(f"no fault {fault_id!r} is in force; there is {known}")
        return self._entries.pop(fault_id)

    def entries(self) -> list[Entry]:
        return list(self._entries.values())

    def strike(self, kind: type[F], covers: Callable[[F], bool] = lambda fault: True) -> F | None:
        """Return the fault of a kind that strikes on this occasion, or None."""
        for entry, fault in self._of(kind):
            if covers(fault) and entry.draw():
                return fault
        return None

    def strike_machine(self, kind: type[MachineFault], instance_id: str, name: str) -> Entry | None:
        """Return the entry of the fault of a kind that strikes a machine now, or None."""
        for entry, fault in self._of(kind):
            if entry.hits(fault, instance_id, name):
                return entry
        return None

    def quota(self, resource: str, most: int) -> int:
        """Return the quota of a resource: the lowest in force."""
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

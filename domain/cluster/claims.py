"""The claim of a run to change a cluster: one run at a time, on whichever machine.

A claim is an entry of a store that has room for one. Its run renews it; a claim that is not renewed
for a while is over. Clocks of two machines are never compared: a run that wants the claim watches
the present one, and measures with its own clock how long it is not renewed, as Kubernetes' leader
election does.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

from domain.kernel.waiting import Clock


@dataclass(frozen=True, slots=True)
class Terms:
    """The times of claims, in seconds.

    Attributes:
        valid: after which a claim that was not renewed is over.
        renew: between two renewals.
        sure: after which a run that could not renew its claim changes nothing; shorter than
            `valid`, so that it has stopped before another run begins.
    """

    valid: float = 60.0
    renew: float = 10.0
    sure: float = 45.0


@dataclass(frozen=True, slots=True)
class Holder:
    """The run that holds a claim.

    Attributes:
        token: unique for each attempt to get a claim.
        run: such as `scale demo k8s-node to 4`.
        since: when it began, by its machine's clock, for people.
        processes: identifies the table of processes that `process` is in; empty where unknown.
        started: when the process started, in that table's unit.
    """

    token: str
    run: str = "a run"
    machine: str = "an unknown machine"
    user: str = ""
    process: int = 0
    since: str = ""
    processes: str = ""
    started: str = ""

    def describe(self) -> str:
        """Name the run, its process, its machine and its begin."""
        user = f" of {self.user}" if self.user else ""
        return f"{self.run} (process {self.process}{user} on {self.machine}, since {self.since})"

    def to_document(self) -> dict[str, Any]:
        return asdict(self)


def holder_from(document: Mapping[str, Any]) -> Holder:
    """Read what `to_document` wrote; fields of other versions are ignored."""
    known = {field.name for field in fields(Holder)}
    given = {name: value for name, value in document.items() if name in known}
    return Holder(**{"token": "", **given})


@dataclass(frozen=True, slots=True)
class Kept:
    """A claim as its store has it.

    Attributes:
        id: no other claim ever has it.
        renewals: changes with each renewal.
        creates: what the run was creating at its last renewal: if it was killed, these calls may
            still act.
    """

    id: str
    holder: Holder
    renewals: int = 0
    creates: tuple[str, ...] = ()


class ClaimStore(Protocol):
    """Room for one claim.

    Errors: `TemporaryError` while the store does not answer.
    """

    def find(self) -> Kept | None: ...

    def create(self, holder: Holder) -> bool:
        """Create the claim. Returns: False where one exists; of two at once one is created."""
        ...

    def renew(self, claim: Kept) -> bool:
        """Replace exactly this claim by this content. Returns: False where it does not exist."""
        ...

    def delete(self, claim: Kept) -> None:
        """Delete exactly this claim, and no later one."""
        ...


def acquire_claim(
    store: ClaimStore,
    holder: Holder,
    is_gone: Callable[[Holder], bool],
    on_wait: Callable[[Holder], None] = lambda other: None,
    clock: Clock = time,
    terms: Terms | None = None,
    on_take_over: Callable[[Kept], None] = lambda over: None,
) -> Kept:
    """Get the claim: at once if it is free or its process is gone, else as soon as it is over.

    The wait ends with the first renewal by the other run, or after `terms.valid` without one.

    Args:
        is_gone: whether the process of a holder has provably ended.
        on_wait: called once before the wait.
        on_take_over: called with the claim of a run that was killed, before it is deleted.

    Returns:
        The claim in force: ours, if its holder is `holder`, or that of a run that goes on.
    """
    terms = terms or Terms()
    seen: Kept | None = None
    since, has_waited = 0.0, False
    while True:
        began = clock.monotonic()
        store.create(holder)
        found = store.find()
        if found is None:
            continue
        if found.holder.token == holder.token:  # also where the reply of `create` was lost
            return found
        if is_gone(found.holder):
            on_take_over(found)
            store.delete(found)
            continue
        if seen and seen != found:
            return found
        now = clock.monotonic()
        # A look that took long was repeated: the holder could not renew meanwhile either.
        if seen is None or now - began > terms.renew:
            seen, since = found, now
        if now - since >= terms.valid:
            on_take_over(found)
            store.delete(found)
            seen = None
            continue
        if not has_waited:
            has_waited = True
            on_wait(found.holder)
        clock.sleep(terms.renew / 5)

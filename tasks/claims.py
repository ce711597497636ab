"""The claim by which one run at a time changes a cluster, on this machine and on all others.

The claim of a cluster is a variable of the Prefect server, so it can exist before the cluster does.
"""

import os
import pwd
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from threading import Event, Lock
from uuid import uuid4

from prefect.runtime import flow_run

from blocks.processes import has_ended, this_process
from blocks.server_calls import change_row, create_variable, delete_row, find_row
from domain.cloud.journal import Journal
from domain.cluster.claims import ClaimStore, Holder, Kept, Terms, holder_from
from domain.cluster.leases import Claim
from domain.kernel.errors import ClaimLost, TemporaryError
from domain.kernel.waiting import Clock

PATIENCE = 300.0
"""Seconds that a run waits with a change until its claim is renewed again."""


class PrefectClaims:
    """Satisfies `ClaimStore` with a variable of the Prefect server."""

    def __init__(self, key: str) -> None:
        self._name = f"cluster-claim-{key}"

    def find(self) -> Kept | None:
        found = find_row(self._name)
        if found is None:
            return None
        row, value = found
        content = value if isinstance(value, dict) else {}
        creates = tuple(content.get("creates", ()))
        return Kept(row, holder_from(content), int(content.get("renewals", 0)), creates)

    def create(self, holder: Holder) -> bool:
        return create_variable(self._name, holder.to_document())

    def renew(self, claim: Kept) -> bool:
        changing = {"renewals": claim.renewals, "creates": list(claim.creates)}
        return change_row(claim.id, claim.holder.to_document() | changing)

    def delete(self, claim: Kept) -> None:
        delete_row(claim.id)


def this_run() -> Holder:
    """Describe the present run as a holder, with a token of its own."""
    process, table, started = this_process()
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without a name
        user = f"user {os.getuid()}"
    return Holder(
        token=uuid4().hex,
        run=flow_run.name or "a run",
        machine=socket.gethostname(),
        user=user,
        process=process,
        since=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        processes=table,
        started=started,
    )


def has_gone(other: Holder) -> bool:
    """Whether the process of a holder ran on this machine and has ended."""
    return has_ended(other.process, other.processes, other.started)


class RunClaim:
    """The claim of the present run; several threads renew it and ask whether it is certain."""

    def __init__(
        self,
        store: ClaimStore,
        claim: Kept,
        terms: Terms,
        clock: Clock = time,
        creates: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """Take over a claim that was acquired; it is certain from its first renewal on.

        Args:
            creates: what the run is creating now.
        """
        self._creates = creates
        self.holder, self.terms, self._store, self._clock = claim.holder, terms, store, clock
        self._claim, self._renewed_at, self._lost = claim, -inf, ""
        self._lock, self._renewing = Lock(), Lock()
        self.ended = Event()
        self.lease: Claim | None = None  # in the cluster, where that is held, too
        self.leasing = Lock()
        """Held while the Lease is renewed or released: a renewal that is under way when the run
        ends would acquire it again."""

    def renew(self) -> None:
        """Renew once. Raises `TemporaryError` while the store does not answer."""
        with self._renewing:
            began, creates = self._clock.monotonic(), tuple(self._creates())
            renewed = replace(self._claim, renewals=self._claim.renewals + 1, creates=creates)
            is_ours = self._store.renew(renewed)
            with self._lock:
                self._claim, self._renewed_at = renewed, began
        if not is_ours:
            self.lose("another run has taken it over")

    def lose(self, why: str) -> None:
        """Let this run change nothing more."""
        with self._lock:
            self._lost = self._lost or why

    @property
    def is_lost(self) -> bool:
        return bool(self._lost)

    @property
    def age(self) -> float:
        """Seconds since the last renewal."""
        return self._clock.monotonic() - self._renewed_at

    def release(self) -> None:
        """Release it at once; errors as `renew`."""
        self._store.delete(self._claim)

    def check(self) -> None:
        """Wait until the claim is certain: called before each change of the cluster.

        Raises:
            ClaimLost: another run may be changing the cluster.
            TemporaryError: the store has not answered for long.
        """
        began = self._clock.monotonic()
        while True:
            with self._lock:
                lost, age = self._lost, self.age
            if lost:
                raise ClaimLost(
                    f"this run has lost its claim of the cluster: {lost}; it changes nothing more. "
                    "Wait for the other run to end, then run the same command again"
                )
            if age < self.terms.sure:
                return
            if self._clock.monotonic() - began > PATIENCE:
                raise TemporaryError(
                    "the claim of this run was not renewed for minutes, because the Prefect server "
                    "does not answer, so nothing more is changed; start the server again, and run "
                    "the same command"
                )
            self._clock.sleep(self.terms.renew / 10)


class ClaimJournal:
    """A journal that is in the claim, too: a run on another machine may take that over."""

    def __init__(self, journal: Journal, claim: Callable[[], RunClaim | None]) -> None:
        self._journal, self._claim = journal, claim

    def ages(self) -> Mapping[str, float]:
        return self._journal.ages()

    def begin(self, what: str) -> None:
        self._journal.begin(what)
        try:
            if claim := self._claim():
                claim.renew()
        except BaseException:  # the create is not sent
            self._journal.end(what)
            raise

    def end(self, what: str) -> None:
        self._journal.end(what)

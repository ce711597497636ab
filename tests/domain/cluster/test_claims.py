"""One run at a time has the claim, and the next one as soon as it is over."""

from collections.abc import Callable
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.cluster.claims import Holder, Kept, Terms, acquire_claim, holder_from
from domain.kernel.errors import ClaimLost, TemporaryError
from tasks.claims import PATIENCE, RunClaim
from tests.domain.clocks import JumpingClock
from tests.memory_claims import MemoryClaims

TERMS = Terms()
THEIRS = Holder("theirs", "scale demo to 4", "host-a", "ann", 4711, "2026-11-30 12:03:04 UTC")
OURS = Holder("ours")


def lives(other: Holder) -> bool:
    return False


class Eventful(JumpingClock):
    """A clock on which something happens after each pause."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.act = act

    def sleep(self, seconds: float, /) -> None:
        super().sleep(seconds)
        self.act()


def renewed(store: MemoryClaims) -> bool:
    assert store.kept
    return store.renew(Kept(store.kept.id, store.kept.holder, store.kept.renewals + 1))


def release(store: MemoryClaims) -> None:
    assert store.kept
    store.delete(store.kept)


def test_a_free_claim_is_acquired_at_once() -> None:
    store, clock = MemoryClaims(), JumpingClock()
    assert acquire_claim(store, OURS, lives, clock=clock).holder == OURS
    assert clock.slept == []


def test_the_claim_of_a_process_that_has_ended_is_taken_over_at_once() -> None:
    store, clock = MemoryClaims(), JumpingClock()
    store.create(THEIRS)
    assert acquire_claim(store, OURS, lambda other: other == THEIRS, clock=clock).holder == OURS
    assert clock.slept == []


def test_a_run_that_renews_its_claim_is_not_waited_for() -> None:
    store = MemoryClaims()
    store.create(THEIRS)
    told = list[Holder]()
    clock = Eventful(lambda: renewed(store))
    assert acquire_claim(store, OURS, lives, told.append, clock).holder == THEIRS
    assert len(clock.slept) == 1
    assert told == [THEIRS]


def test_a_claim_that_is_not_renewed_is_over_by_the_clock_of_the_observer() -> None:
    store, clock = MemoryClaims(), JumpingClock()
    store.create(THEIRS)
    assert acquire_claim(store, OURS, lives, clock=clock).holder == OURS
    assert clock.monotonic() == TERMS.valid


def test_a_claim_that_is_released_is_acquired() -> None:
    store = MemoryClaims()
    store.create(THEIRS)
    clock = Eventful(lambda: release(store))
    assert acquire_claim(store, OURS, lives, clock=clock).holder == OURS
    assert len(clock.slept) == 1


def test_another_run_that_takes_over_first_is_named() -> None:
    store = MemoryClaims()
    store.create(Holder("killed"))

    def take_over() -> None:
        if store.kept and clock.monotonic() > TERMS.valid / 2:
            store.delete(store.kept)
            store.create(THEIRS)

    clock = Eventful(take_over)
    assert acquire_claim(store, OURS, lives, clock=clock).holder == THEIRS


def test_a_server_that_was_away_gives_the_holder_time_to_renew() -> None:
    class Away(MemoryClaims):
        looks = 0

        def find(self) -> Kept | None:
            self.looks += 1
            if self.looks == 2:  # it did not answer for so long
                clock.sleep(100)
            if self.looks == 4:
                renewed(self)
            return super().find()

    store, clock = Away(), JumpingClock()
    store.create(THEIRS)
    assert acquire_claim(store, OURS, lives, clock=clock).holder == THEIRS


def test_a_holder_is_described_with_what_an_operator_needs() -> None:
    assert THEIRS.describe() == (
        "scale demo to 4 (process 4711 of ann on host-a, since 2026-11-30 12:03:04 UTC)"
    )
    assert holder_from(THEIRS.to_document()) == THEIRS
    assert holder_from({"run": "typed by hand", "other": 1}).token == ""


def test_a_run_whose_claim_was_taken_changes_nothing() -> None:
    store, clock = MemoryClaims(), JumpingClock()
    claim = RunClaim(store, acquire_claim(store, OURS, lives, clock=clock), TERMS, clock)
    claim.renew()
    claim.check()
    release(store)
    claim.renew()
    with pytest.raises(ClaimLost, match="taken it over"):
        claim.check()


def test_a_change_waits_for_a_claim_that_is_not_certain() -> None:
    store, silent = MemoryClaims(), JumpingClock()
    claim = RunClaim(store, acquire_claim(store, OURS, lives, clock=silent), TERMS, silent)
    with pytest.raises(TemporaryError, match="start the server again"):
        claim.check()
    assert silent.monotonic() == pytest.approx(PATIENCE, abs=2)
    again = Eventful(lambda: claim.renew())
    claim = RunClaim(store, Kept("1", OURS), TERMS, again)
    claim.check()
    assert len(again.slept) == 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.1, 200), min_size=1, max_size=12), st.floats(0, 60))
def test_two_runs_never_change_a_cluster_at_the_same_time(gaps: list[float], begins: float) -> None:
    """One run renews at any moments, or never again; the other one wants its claim."""
    store, clock = MemoryClaims(), Eventful()
    first = RunClaim(store, acquire_claim(store, THEIRS, lives, clock=clock), TERMS, clock)
    first.renew()
    clock.sleep(begins)
    due = clock.monotonic() + gaps.pop()

    def renew_when_due() -> None:
        nonlocal due
        if clock.monotonic() >= due:
            first.renew()
            due = clock.monotonic() + gaps.pop() if gaps else inf

    clock.act = renew_when_due
    found = acquire_claim(store, OURS, lives, clock=clock)
    # Whether the first run would make a change without waiting for anything.
    is_certain = not first.is_lost and first.age < TERMS.sure
    if found.holder == OURS:
        assert not is_certain
        first.renew()
        assert first.is_lost
    else:
        assert first.age < TERMS.valid

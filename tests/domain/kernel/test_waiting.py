"""Waits: first look, then sleep; growing pauses; a deadline; no repeated unknown outcome."""

from collections.abc import Iterator

import pytest

from domain.kernel.errors import NotFound, TemporaryError, UnknownOutcome, WaitTimedOut
from domain.kernel.waiting import Pace, wait_for, when_free
from tests.domain.clocks import JumpingClock


def answers(*values: object) -> Iterator[object]:
    yield from values


def test_existing_state_costs_no_pause() -> None:
    clock = JumpingClock()
    assert wait_for(lambda: "seen", what="it", clock=clock) == "seen"
    assert clock.slept == []


def test_pauses_grow_up_to_the_longest() -> None:
    clock, looks = JumpingClock(), answers(*[None] * 6, "seen")
    pace = Pace(timeout=100, interval=1, growth=2, longest=5)
    assert wait_for(lambda: next(looks), what="it", pace=pace, clock=clock) == "seen"
    assert clock.slept == [1, 2, 4, 5, 5, 5]


def test_the_deadline_is_kept_and_names_what_was_waited_for() -> None:
    clock = JumpingClock()
    with pytest.raises(WaitTimedOut, match="router active: not seen within 10 s"):
        wait_for(lambda: None, what="router active", pace=Pace(timeout=10), clock=clock)
    assert clock.monotonic() == pytest.approx(10)


def test_a_temporary_error_is_retried_and_named_at_the_end() -> None:
    def look() -> None:
        raise TemporaryError("busy")

    with pytest.raises(WaitTimedOut, match="last error: busy"):
        wait_for(look, what="it", pace=Pace(timeout=3), clock=JumpingClock())


def test_a_final_error_ends_the_wait_at_once() -> None:
    clock = JumpingClock()

    def look() -> None:
        raise NotFound("gone")

    with pytest.raises(NotFound):
        wait_for(look, what="it", clock=clock)
    assert clock.slept == []


def test_a_busy_cloud_is_retried() -> None:
    attempts: list[int] = []

    def act() -> str:
        attempts.append(1)
        if len(attempts) < 3:
            raise TemporaryError("please try later")
        return "job"

    assert when_free(act, what="it", clock=JumpingClock()) == "job"
    assert len(attempts) == 3


def test_a_lost_reply_is_never_repeated() -> None:
    attempts: list[int] = []

    def act() -> str:
        attempts.append(1)
        raise UnknownOutcome("reply lost")

    with pytest.raises(UnknownOutcome):
        when_free(act, what="it", clock=JumpingClock())
    assert len(attempts) == 1


def test_a_lost_reply_is_raised_as_it_came_and_its_chain_of_causes_ends() -> None:
    lost = UnknownOutcome("update_router: the reply was lost")

    def act() -> str:
        raise lost

    with pytest.raises(UnknownOutcome) as caught:
        when_free(act, what="it", clock=JumpingClock())
    assert caught.value is lost
    seen: list[BaseException] = []
    link: BaseException | None = lost
    while link is not None:
        assert link not in seen
        seen.append(link)
        link = link.__cause__ or link.__context__

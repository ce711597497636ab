"""When the events of a cluster's watches are evaluated."""

from hypothesis import given
from hypothesis import strategies as st

from flows._cli.events import GATHER, QUIET, REST, Reported

EVERY = 30.0
SECONDS = st.floats(min_value=0.0, max_value=100.0, allow_nan=False)


def test_without_events_the_interval_counts_from_the_end_of_the_last_evaluation() -> None:
    assert Reported(began=1.0, ended=2.0).due(0.5, EVERY) == 32.0


def test_first_pod_after_a_quiet_time_waits_only_for_the_rest_of_its_burst() -> None:
    reported = Reported(began=1.0, ended=1.2)
    reported.add(50.0, urgent=True)
    assert reported.due(8.0, EVERY) == 50.0 + QUIET


def test_long_burst_is_evaluated_before_its_end() -> None:
    reported = Reported(began=1.0, ended=1.2)
    for step in range(100):
        reported.add(50.0 + step * QUIET / 2, urgent=True)
    assert reported.due(8.0, EVERY) == 50.0 + GATHER


def test_new_pod_does_not_wait_for_a_pause_that_has_grown() -> None:
    reported = Reported(began=1.0, ended=1.5)
    reported.add(1.6, urgent=True)
    assert reported.due(8.0, EVERY) == 1.5 + REST * 0.5


def test_known_pod_waits_for_the_pause() -> None:
    reported = Reported(began=1.0, ended=1.1)
    reported.add(1.2, urgent=False)
    assert reported.due(8.0, EVERY) == 9.1


def test_after_a_change_that_took_a_minute_new_pods_wait_for_the_short_pause_only() -> None:
    reported = Reported(began=0.0, ended=60.0)
    reported.add(30.0, urgent=True)
    assert reported.due(0.5, EVERY) == 60.5


def test_where_an_evaluation_takes_seconds_a_stream_of_pods_leaves_it_a_rest() -> None:
    reported = Reported(began=10.0, ended=13.0)
    reported.add(11.0, urgent=True)
    assert reported.due(8.0, EVERY) == 13.0 + REST * 3.0


@given(began=SECONDS, took=SECONDS, events=st.lists(st.tuples(SECONDS, st.booleans())))
def test_no_event_is_evaluated_later_than_its_gathering_and_the_pause(
    began: float, took: float, events: list[tuple[float, bool]]
) -> None:
    reported = Reported(began=began, ended=began + took)
    times = sorted((began + at, urgent) for at, urgent in events)
    for at, urgent in times:
        reported.add(at, urgent=urgent)
    due = reported.due(8.0, EVERY)
    if times:
        assert due <= max(times[0][0] + GATHER, reported.ended + 8.0)
    else:
        assert due == reported.ended + EVERY

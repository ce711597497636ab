from datetime import timedelta

from domain.kernel.names import MASTERS, NODES
from domain.observe.alarms.states import Phase
from domain.reports.dashboard.events import alarm_spans, scale_events, sizes_of
from domain.spec.alarms import Level
from tests.domain.observe.alarms.alarm_makers import make_state
from tests.domain.reports.dashboard.board_makers import BEGIN, END, at, make_life


def test_machines_of_one_scaling_share_an_event() -> None:
    lives = [make_life("a", -5), make_life("b", 3), make_life("c", 3.02), make_life("d", 9)]
    events = scale_events(lives, BEGIN, END)
    assert [(event.time, event.change, event.size) for event in events] == [
        (at(3), 2, 3),
        (at(9), 1, 4),
    ]


def test_removed_machine_is_a_negative_change() -> None:
    [event] = scale_events([make_life("a", -5), make_life("b", -5, 7)], BEGIN, END)
    assert (event.time, event.change, event.size) == (at(7), -1, 1)


def test_addition_and_removal_at_once_are_two_events() -> None:
    lives = [make_life("a", -5, 3), make_life("b", 3.01)]
    assert [event.change for event in scale_events(lives, BEGIN, END)] == [-1, 1]


def test_earlier_change_is_a_size_and_not_an_event() -> None:
    lives = [make_life("a", -5), make_life("b", -4, -1)]
    assert scale_events(lives, BEGIN, END) == ()
    assert sizes_of(lives, BEGIN, END) == {NODES: ((BEGIN, 1), (END, 1))}


def test_sizes_are_steps_by_group() -> None:
    lives = [make_life("m", -1, group=MASTERS), make_life("a", 1), make_life("b", 2, 5)]
    sizes = sizes_of(lives, BEGIN, END)
    assert sizes[MASTERS] == ((BEGIN, 1), (END, 1))
    assert [size for _, size in sizes[NODES]] == [0, 1, 2, 1, 1]


def test_alarm_span_lasts_from_firing_to_end_with_the_highest_level() -> None:
    steps = [
        make_state(Phase.PENDING, since=at(1)),
        make_state(Phase.FIRING, since=at(2)),
        make_state(Phase.FIRING, since=at(2), level=Level.ERROR),
        make_state(Phase.RESOLVED, since=at(5)),
        make_state(Phase.OK, since=at(6), level=None),
    ]
    [span] = alarm_spans(steps, [], BEGIN)
    assert (span.begin, span.end, span.level) == (at(2), at(5), Level.ERROR)
    assert span.subject == "k8s-node-a"


def test_alarm_that_ended_without_a_notification_has_an_end() -> None:
    steps = [
        make_state(Phase.FIRING, since=at(1)),
        make_state(Phase.OK, since=at(3), level=None),
    ]
    [span] = alarm_spans(steps, [], BEGIN)
    assert (span.begin, span.end) == (at(1), at(3))


def test_alarm_that_fires_has_no_end_yet() -> None:
    firing = make_state(Phase.FIRING, since=at(2))
    [span] = alarm_spans([firing], [firing], BEGIN)
    assert (span.begin, span.end) == (at(2), None)


def test_alarm_that_began_before_the_page_is_shown_from_its_edge() -> None:
    over = make_state(Phase.RESOLVED, since=at(3))
    [span] = alarm_spans([over], [], BEGIN)
    assert (span.begin, span.end) == (BEGIN, at(3))
    long = make_state(Phase.FIRING, since=BEGIN - timedelta(days=2))
    [span] = alarm_spans([], [long], BEGIN)
    assert span.end is None


def test_alarm_that_was_pending_is_no_span() -> None:
    pending = make_state(Phase.PENDING, since=at(1))
    assert alarm_spans([pending], [pending], BEGIN) == ()

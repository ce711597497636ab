from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.observe.alarms.states import (
    AlarmState,
    Change,
    Evaluation,
    Phase,
    Subject,
    active_states,
    evaluate,
)
from domain.spec.alarms import AlarmRule, Level
from domain.spec.conditions import Statistic
from domain.spec.metrics import Per
from tests.domain.observe.alarms.alarm_makers import (
    MACHINE,
    at,
    make_rule,
    make_state,
    reading,
    seen,
)


def look(
    value: float | None,
    before: AlarmState | None = None,
    rule: AlarmRule | None = None,
    minutes: float = 1,
) -> Evaluation:
    """Evaluate one machine once; None stands for no samples."""
    statistics = [] if value is None else [seen(value)]
    states = [before] if before else []
    rules = [rule or make_rule()]
    return evaluate(rules, reading(*statistics), {MACHINE}, states, at(minutes))


def follow(
    rule: AlarmRule, values: list[float | None]
) -> tuple[list[Phase], list[tuple[Change, int]]]:
    """The phases after one evaluation a minute, and the changes by minute."""
    state: AlarmState | None = None
    phases, notified = [], []
    for minute, value in enumerate(values):
        found = look(value, state, rule, minute)
        [state] = found.states or [state]
        phases.append(state.phase if state else Phase.OK)
        notified += [(change, minute) for change in found.changes]
    return phases, notified


def test_alarm_goes_through_its_states_and_notifies_once_each_way() -> None:
    phases, notified = follow(make_rule(hold_seconds=120), [50, 85, 85, 85, 85, 50, 50])
    ok, pending, firing = Phase.OK, Phase.PENDING, Phase.FIRING
    assert phases == [ok, pending, pending, firing, firing, Phase.RESOLVED, ok]
    assert [(change.state.phase, minute) for change, minute in notified] == [
        (Phase.FIRING, 3),
        (Phase.RESOLVED, 5),
    ]


def test_alarm_without_hold_fires_at_the_first_evaluation() -> None:
    [change] = look(85).changes
    assert change.state.phase is Phase.FIRING


def test_spike_shorter_than_the_hold_is_not_notified() -> None:
    phases, notified = follow(make_rule(hold_seconds=300), [85, 85, 50, 85, 50])
    assert Phase.FIRING not in phases
    assert notified == []


def test_worse_alarm_is_notified_once_more() -> None:
    _, notified = follow(make_rule(), [85, 97, 97, 85, 97, 50])
    assert [(c.state.phase, c.state.level) for c, _ in notified] == [
        (Phase.FIRING, Level.WARNING),
        (Phase.FIRING, Level.ERROR),
        (Phase.RESOLVED, Level.ERROR),
    ]


def test_missing_samples_change_nothing() -> None:
    for phase in (Phase.PENDING, Phase.FIRING, Phase.RESOLVED):
        assert look(None, make_state(phase)) == Evaluation((), ())


def test_pending_alarm_fires_at_its_present_level() -> None:
    before = make_state(Phase.PENDING, level=Level.ERROR, value=99.0)
    [state] = look(85, before, make_rule(hold_seconds=60), minutes=1).states
    assert (state.phase, state.level) == (Phase.FIRING, Level.WARNING)


def test_alarm_of_a_removed_machine_resolves_with_the_reason() -> None:
    found = evaluate([make_rule()], reading(seen(99)), set(), [make_state(Phase.FIRING)], at(7))
    [change] = found.changes
    assert change.state.phase is Phase.RESOLVED
    assert change.gone
    assert change.lasted == 420


def test_samples_of_a_removed_machine_raise_no_alarm() -> None:
    assert evaluate([make_rule()], reading(seen(99)), set(), [], at(0)) == Evaluation((), ())


def test_alarm_whose_rule_was_deleted_ends_without_a_notification() -> None:
    found = evaluate([], {}, {MACHINE}, [make_state(Phase.FIRING)], at(1))
    assert [state.phase for state in found.states] == [Phase.OK]
    assert found.changes == ()


def test_no_samples_are_zero_for_the_statistic_count() -> None:
    rule = make_rule(
        name="no-samples", statistic=Statistic.COUNT, comparator="<", warning=None, error=1
    )
    [change] = evaluate([rule], reading(), {MACHINE, Subject()}, [], at(0)).changes
    assert change.state.subject == MACHINE
    assert change.state.value == 0


def test_rule_of_a_group_does_not_concern_other_groups() -> None:
    master = Subject("k8s-master", "k8s-master-m")
    statistics = reading(seen(99), seen(99, master))
    found = evaluate([make_rule(group="k8s-node")], statistics, {MACHINE, master}, [], at(0))
    assert [state.subject for state in found.states] == [MACHINE]


def test_rule_reads_its_own_metric_statistic_and_window() -> None:
    rule = make_rule(statistic=Statistic.MAXIMUM, per=Per.GROUP, window_seconds=600)
    group = Subject("k8s-node")
    statistics = reading(
        seen(99, group, metric="memory"),
        seen(10, group, maximum=90.0),
        seconds=600,
        per=Per.GROUP,
    )
    readings = {**statistics, **reading(seen(99))}
    [state] = evaluate([rule], readings, {group, MACHINE}, [], at(0)).states
    assert (state.subject, state.value) == (group, 90.0)


def test_active_alarms_are_sorted_by_phase_and_level() -> None:
    pending = make_state(Phase.PENDING, rule="a", level=Level.ERROR)
    warning = make_state(Phase.FIRING, rule="b")
    error = make_state(Phase.FIRING, rule="c", level=Level.ERROR)
    over = make_state(Phase.RESOLVED, rule="d")
    assert active_states([pending, over, warning, error]) == (error, warning, pending)


@given(
    values=st.lists(st.one_of(st.none(), st.floats(0, 100)), max_size=40),
    hold_seconds=st.integers(0, 300),
)
def test_no_notification_is_repeated(values: list[float | None], hold_seconds: int) -> None:
    _, notified = follow(make_rule(hold_seconds=hold_seconds), values)
    news = [
        (change.state.phase, change.state.level if change.state.phase is Phase.FIRING else None)
        for change, _ in notified
    ]
    assert all(one != following for one, following in pairwise(news))
    fired = [phase for phase, _ in news]
    assert not fired or fired[0] is Phase.FIRING
    assert timedelta(0) <= timedelta(seconds=sum(change.lasted for change, _ in notified))


@given(
    looks=st.lists(
        st.tuples(st.sampled_from([None, 50.0, 85.0]), st.booleans()), min_size=1, max_size=60
    ),
    hold=st.sampled_from([0, 60, 180]),
)
def test_flapping_and_interrupted_runs_notify_exactly_once_each_way(
    looks: list[tuple[float | None, bool]], hold: int
) -> None:
    rule = make_rule(error=None, hold_seconds=hold)
    state: AlarmState | None = None
    notified = []
    for minute, (value, is_cut_off) in enumerate(looks):
        found = look(value, state, rule, minute)
        if is_cut_off:  # before anything was stored, and so before any notification
            continue
        [state] = found.states or [state]
        notified += [(minute, change.state.phase) for change in found.changes]
    kept = [(minute, value) for minute, (value, is_cut_off) in enumerate(looks) if not is_cut_off]
    assert notified == expected(kept, hold)


def expected(looks: list[tuple[int, float | None]], hold: int) -> list[tuple[int, Phase]]:
    """The expected notifications by minute: the cause lasted for the whole hold."""
    notified: list[tuple[int, Phase]] = []
    ill_since: int | None = None
    for minute, value in looks:
        fires = bool(notified) and notified[-1][1] is Phase.FIRING
        if value == 50:
            ill_since = None
            if fires:
                notified.append((minute, Phase.RESOLVED))
        elif value == 85:
            ill_since = minute if ill_since is None else ill_since
            if not fires and 60 * (minute - ill_since) >= hold:
                notified.append((minute, Phase.FIRING))
    return notified

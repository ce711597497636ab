from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from clients.alarm_history import CUT_OFF, AlarmHistory
from clients.samples import SampleStore
from domain.kernel.errors import TemporaryError
from domain.observe.alarms.deliveries import Outcome
from domain.observe.alarms.messages import Message
from domain.observe.alarms.states import Phase, Subject
from domain.spec.alarms import Level
from tests.domain.makers import DEMO
from tests.domain.observe.alarms.alarm_makers import NOON, at, make_state

MESSAGE = Message("CPU", "is busy", Level.WARNING)


@pytest.fixture
def history(store: SampleStore) -> AlarmHistory:
    """On SQLite and on PostgreSQL, where that is installed."""
    return AlarmHistory(store.database, "demo")


def fire(history: AlarmHistory, *services: str) -> bool:
    return history.step([], [make_state(Phase.FIRING)], [MESSAGE], services, NOON)


def test_stored_states_are_read_unchanged(history: AlarmHistory) -> None:
    states = [make_state(Phase.FIRING), make_state(Phase.OK, rule="x", level=None, value=None)]
    assert history.step([], states, [], (), NOON)
    assert sorted(history.read_states(), key=lambda state: state.rule) == states


def test_step_replaces_a_state(history: AlarmHistory) -> None:
    fire(history)
    over = make_state(Phase.RESOLVED, since=at(5))
    assert history.step(history.read_states(), [over], [], (), at(5))
    assert history.read_states() == [over]


def test_each_message_waits_for_each_service(history: AlarmHistory) -> None:
    fire(history, "a/one", "b/two")
    assert [(due.service, due.message) for due in history.read_due()] == [
        ("a/one", MESSAGE),
        ("b/two", MESSAGE),
    ]


def test_two_evaluations_from_the_same_state_notify_once(history: AlarmHistory) -> None:
    pending = make_state(Phase.PENDING)
    history.step([], [pending], [], (), NOON)
    firing = make_state(Phase.FIRING, since=at(1))
    assert history.step([pending], [firing], [MESSAGE], ("a/one",), at(1))
    assert not history.step([pending], [firing], [MESSAGE], ("a/one",), at(1))
    assert len(history.read_due()) == 1


def test_two_first_evaluations_notify_once(history: AlarmHistory) -> None:
    assert fire(history, "a/one")
    assert not fire(history, "a/one")
    assert len(history.read_due()) == 1


def test_step_that_is_overtaken_in_one_alarm_changes_no_other(history: AlarmHistory) -> None:
    fire(history)
    other = make_state(Phase.FIRING, rule="other")
    assert not history.step([], [other, make_state(Phase.PENDING)], [MESSAGE], ("a/one",), at(1))
    assert [state.rule for state in history.read_states()] == ["cpu-high"]


def test_taken_message_is_not_due_for_another_run(history: AlarmHistory) -> None:
    fire(history, "a/one")
    [due] = history.read_due()
    assert history.take(due)
    assert not history.take(due)
    assert history.read_due() == []


def test_message_of_an_interrupted_run_has_an_unknown_outcome(history: AlarmHistory) -> None:
    fire(history, "a/one")
    history.take(history.read_due()[0])
    [gap] = history.read_failures(NOON)
    assert (gap.outcome, gap.reason, gap.attempts) == (Outcome.UNKNOWN, CUT_OFF, 1)


def test_failed_message_is_due_again_and_a_sent_one_is_not(history: AlarmHistory) -> None:
    fire(history, "a/one", "b/two")
    one, two = history.read_due()
    history.finish(replace(one, outcome=Outcome.FAILED, attempts=1, reason="500"))
    history.finish(replace(two, outcome=Outcome.SENT, attempts=1))
    assert [(due.service, due.reason) for due in history.read_due()] == [("a/one", "500")]
    assert [failed.service for failed in history.read_failures(NOON)] == ["a/one"]


def test_steps_are_the_history_of_an_alarm(history: AlarmHistory) -> None:
    firing, busier = make_state(Phase.FIRING), make_state(Phase.FIRING, value=90.0)
    history.step([], [firing], [], (), NOON)
    history.step([firing], [busier], [], (), at(1))
    history.step([busier], [make_state(Phase.RESOLVED, since=at(2))], [], (), at(2))
    assert [step.phase for step in history.read_steps(NOON)] == [Phase.FIRING, Phase.RESOLVED]
    assert [step.phase for step in history.read_steps(at(1))] == [Phase.RESOLVED]


def test_clusters_share_a_database_and_nothing_else(
    history: AlarmHistory, store: SampleStore
) -> None:
    other = AlarmHistory(store.database, "other")
    fire(history, "a/one")
    assert (other.read_states(), other.read_due()) == ([], [])
    assert fire(other, "a/one")


def test_pruning_deletes_messages_and_steps(history: AlarmHistory) -> None:
    fire(history, "a/one")
    history.prune(NOON + timedelta(days=1))
    assert (history.read_steps(NOON), history.read_due()) == ([], [])


def test_pruning_deletes_states_that_have_been_ok_for_long(history: AlarmHistory) -> None:
    well = make_state(Phase.OK, subject=Subject("k8s-node", "gone"), level=None)
    firing = make_state(Phase.FIRING)
    history.step([], [well, firing], [], (), NOON)
    history.prune(NOON)
    assert len(history.read_states()) == 2
    history.prune(NOON + timedelta(days=1))
    assert history.read_states() == [firing]


def test_database_that_is_gone_is_temporary(tmp_path: Path) -> None:
    with (
        SampleStore(f"sqlite:///{tmp_path}/nowhere/samples.db", DEMO) as samples,
        pytest.raises(TemporaryError, match=r"the database .* does not answer"),
    ):
        AlarmHistory(samples.database, "demo").read_states()

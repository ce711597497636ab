"""Messages from the database to a service that fails, in runs that may end at any moment."""

from collections import Counter
from datetime import timedelta
from enum import Enum, auto

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.alarm_history import AlarmHistory
from clients.database import Database
from domain.kernel.errors import TemporaryError, UnknownOutcome
from domain.observe.alarms.deliveries import PATIENCE, Delivery, Outcome, deliver
from domain.observe.alarms.messages import Message
from domain.spec.alarms import Level
from tests.domain.observe.alarms.alarm_makers import NOON

CHAT = "alarm-webhook/oncall"


class Fate(Enum):
    """What becomes of one attempt."""

    TAKEN = auto()
    TAKEN_WITHOUT_ANSWER = auto()
    DOWN = auto()
    RUN_ENDS_BEFORE = auto()
    RUN_ENDS_AFTER = auto()


class RunEnds(Exception):
    """The process has ended; nothing after it runs."""


class Chat:
    """A service with a given outcome per attempt; attempts after the last one succeed."""

    def __init__(self, fates: list[Fate]) -> None:
        self.read: Counter[str] = Counter()
        self.attempts = 0
        self._fates = fates

    def send(self, message: Message) -> None:
        self.attempts += 1
        fate = self._fates.pop(0) if self._fates else Fate.TAKEN
        if fate is Fate.DOWN:
            raise TemporaryError("it answers 500")
        if fate is Fate.RUN_ENDS_BEFORE:
            raise RunEnds
        self.read[message.title] += 1
        if fate is Fate.TAKEN_WITHOUT_ANSWER:
            raise UnknownOutcome("no answer")
        if fate is Fate.RUN_ENDS_AFTER:
            raise RunEnds


def run(history: AlarmHistory, chat: Chat, minute: int) -> None:
    now = NOON + timedelta(minutes=minute)
    try:
        deliver(history.read_due(), {CHAT: lambda: chat}, history.take, history.finish, now)
    except RunEnds:
        return


def write(history: AlarmHistory, number: int) -> None:
    messages = [Message(f"message {one}", "", Level.ERROR) for one in range(number)]
    assert history.step([], [], messages, (CHAT,), NOON)


@settings(max_examples=30, deadline=None)
@given(fates=st.lists(st.sampled_from(Fate), max_size=12), number=st.integers(1, 4))
def test_no_message_is_delivered_twice_and_failures_are_listed(
    fates: list[Fate], number: int
) -> None:
    with Database("sqlite://") as database:
        history, chat = AlarmHistory(database, "demo"), Chat(fates)
        write(history, number)
        for minute in range(len(fates) + number + 1):
            run(history, chat, minute)
        assert history.read_due() == []
        visible = {one.message.title for one in history.read_failures(NOON)}
    assert all(times == 1 for times in chat.read.values())
    assert {f"message {one}" for one in range(number)} <= {*chat.read, *visible}


@settings(max_examples=15, deadline=None)
@given(downs=st.integers(0, 20), number=st.integers(1, 4))
def test_service_that_recovers_gets_every_message_once(downs: int, number: int) -> None:
    with Database("sqlite://") as database:
        history, chat = AlarmHistory(database, "demo"), Chat([Fate.DOWN] * downs)
        write(history, number)
        for minute in range(downs + 1):
            run(history, chat, minute)
        assert history.read_failures(NOON) == []
    assert chat.read == Counter(f"message {one}" for one in range(number))


def test_failing_service_is_tried_once_a_run_until_messages_expire() -> None:
    with Database("sqlite://") as database:
        history = AlarmHistory(database, "demo")
        chat = Chat([Fate.DOWN] * 10_000)
        write(history, 3)
        minutes = int(PATIENCE / timedelta(minutes=1))
        for minute in (*range(0, minutes + 1, 30), minutes + 1, minutes + 2):
            run(history, chat, minute)
        assert chat.attempts == minutes // 30 + 1
        assert history.read_due() == []
        ends: list[Delivery] = history.read_failures(NOON)
    assert [one.outcome for one in ends] == [Outcome.EXPIRED] * 3
    assert all("500" in one.reason for one in ends)

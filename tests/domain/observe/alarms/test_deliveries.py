from dataclasses import replace

from domain.kernel.errors import ClusterError, InvalidSpec, Refused, TemporaryError, UnknownOutcome
from domain.observe.alarms.deliveries import PATIENCE, Delivery, Outcome, deliver
from domain.observe.alarms.messages import Message
from tests.domain.observe.alarms.alarm_makers import NOON


class Chat:
    """A service that records messages, or one that always fails."""

    def __init__(self, error: ClusterError | None = None) -> None:
        self.read: list[str] = []
        self.attempts = 0
        self._error = error

    def send(self, message: Message) -> None:
        self.attempts += 1
        if self._error:
            raise self._error
        self.read.append(message.title)


def make_delivery(number: int, service: str = "chat") -> Delivery:
    return Delivery(number, service, NOON, Message(f"message {number}", "", None))


def send(due: list[Delivery], **chats: Chat) -> dict[int, Delivery]:
    noted: dict[int, Delivery] = {}
    done = deliver(
        due,
        {name: lambda chat=chat: chat for name, chat in chats.items()},  # type: ignore[misc]
        lambda delivery: True,
        lambda delivery: noted.update({delivery.number: delivery}),
        NOON,
    )
    assert noted == {delivery.number: delivery for delivery in done}
    return noted


def test_messages_are_sent_in_order() -> None:
    chat = Chat()
    send([make_delivery(2), make_delivery(1)], chat=chat)
    assert chat.read == ["message 1", "message 2"]


def test_failing_service_does_not_delay_the_others() -> None:
    well, failing = Chat(), Chat(TemporaryError("it answers 500"))
    done = send([make_delivery(1, "failing"), make_delivery(2, "well")], well=well, failing=failing)
    assert well.read == ["message 2"]
    assert (done[1].outcome, done[1].reason) == (Outcome.FAILED, "it answers 500")
    assert done[2].outcome is Outcome.SENT


def test_failing_service_is_tried_once_a_round_and_keeps_its_order() -> None:
    failing = Chat(TemporaryError("refused"))
    done = send([make_delivery(1, "failing"), make_delivery(2, "failing")], failing=failing)
    assert failing.attempts == 1
    assert [done[number].outcome for number in (1, 2)] == [Outcome.FAILED, Outcome.FAILED]
    assert [done[number].attempts for number in (1, 2)] == [1, 0]


def test_message_with_a_lost_answer_is_not_sent_again() -> None:
    done = send([make_delivery(1)], chat=Chat(UnknownOutcome("no answer")))
    assert done[1].outcome is Outcome.UNKNOWN


def test_refused_message_is_not_sent_again() -> None:
    assert send([make_delivery(1)], chat=Chat(Refused("bad sign")))[1].outcome is Outcome.REFUSED


def test_service_that_cannot_be_opened_is_a_visible_gap() -> None:
    def fail() -> Chat:
        raise InvalidSpec("there is no such block")

    noted: list[Delivery] = []
    deliver([make_delivery(1)], {"chat": fail}, lambda _: True, noted.append, NOON)
    assert [(one.outcome, one.reason) for one in noted] == [
        (Outcome.REFUSED, "there is no such block")
    ]


def test_message_to_a_removed_service_is_refused() -> None:
    assert send([make_delivery(1, "old")])[1].outcome is Outcome.REFUSED


def test_old_message_expires() -> None:
    chat = Chat()
    old = replace(make_delivery(1), written_at=NOON - PATIENCE * 2)
    assert send([old], chat=chat)[1].outcome is Outcome.EXPIRED
    assert chat.read == []


def test_message_that_another_run_has_taken_is_not_sent() -> None:
    chat = Chat()
    done = deliver([make_delivery(1)], {"chat": lambda: chat}, lambda _: False, print, NOON)
    assert (done, chat.read) == ((), [])

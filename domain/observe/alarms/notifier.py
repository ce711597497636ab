"""How alarms reach people: what the house asks of a notification service."""

from typing import Protocol

from domain.observe.alarms.messages import Message


class Notifier(Protocol):
    """One way to reach people, such as a robot in a chat."""

    def send(self, message: Message) -> None:
        """Send once, without retries of its own.

        Raises:
            UnknownOutcome: the request went out and no answer came; people may have read it.
            TemporaryError: it was not delivered, and may be later.
            FinalError: the service refuses it; sending it again would not help.
        """
        ...

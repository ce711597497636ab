"""The interface of notification services."""

from typing import Protocol

from domain.observe.alarms.messages import Message


class Notifier(Protocol):
    """One notification service, such as a chat robot."""

    def send(self, message: Message) -> None:
        """Send once, without retries.

        Raises:
            UnknownOutcome: the request was sent and no answer came; it may have been delivered.
            TemporaryError: it was not delivered; a retry may succeed.
            FinalError: the service refuses it; a retry would not help.
        """
        ...

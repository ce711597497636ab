"""Deliveries of notifications: each message goes to each service exactly once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from domain.kernel.errors import ClusterError, FinalError, TemporaryError, UnknownOutcome
from domain.observe.alarms.messages import Message

PATIENCE = timedelta(hours=6)
"""How long a failed delivery is retried; a message that is older than this expires."""


class Outcome(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"  # will be tried again
    REFUSED = "refused"
    UNKNOWN = "unknown"  # went out without an answer; a retry could notify twice
    EXPIRED = "expired"


DUE = (Outcome.WAITING, Outcome.FAILED)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one service. `number` orders messages; `reason` is why it was not sent."""

    number: int
    service: str
    written_at: datetime
    message: Message
    outcome: Outcome = Outcome.WAITING
    attempts: int = 0
    reason: str = ""


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


def deliver(
    due: Sequence[Delivery],
    services: Mapping[str, Callable[[], Notifier]],
    before: Callable[[Delivery], bool],
    after: Callable[[Delivery], None],
    now: datetime,
) -> tuple[Delivery, ...]:
    """Send the due deliveries, oldest first. A failing service does not delay the others.

    A service that fails once is skipped for the rest of the round, so that its messages keep their
    order and a service that does not answer costs one time-out.

    Args:
        services: by name, a function that opens each.
        before: records that a message is about to be sent; False when another run has taken it.
        after: records the outcome.

    Returns: the deliveries that were attempted or expired, with their outcomes.
    """
    done: list[Delivery] = []
    failing: dict[str, str] = {}
    for delivery in sorted(due, key=lambda d: d.number):
        if now - delivery.written_at > PATIENCE:
            result = replace(delivery, outcome=Outcome.EXPIRED)
        elif delivery.service in failing:
            result = replace(delivery, outcome=Outcome.FAILED, reason=failing[delivery.service])
        elif not before(delivery):
            continue
        else:
            result = _send(delivery, services.get(delivery.service))
            if result.outcome is not Outcome.SENT:
                failing[delivery.service] = result.reason
        after(result)
        done.append(result)
    return tuple(done)


def send_once(
    message: Message, services: Mapping[str, Callable[[], Notifier]], now: datetime
) -> tuple[Delivery, ...]:
    """Send a message to every service, whatever the others answer. Nothing is recorded."""
    return tuple(
        _send(Delivery(0, service, now, message), opening) for service, opening in services.items()
    )


def format_test_results(deliveries: Sequence[Delivery]) -> str:
    """Format the outcome of a test message, one line per service."""
    lines = [
        f"{one.service}: {one.outcome}" + (f", {one.reason}" if one.reason else "")
        for one in deliveries
    ]
    sent = sum(one.outcome is Outcome.SENT for one in deliveries)
    return "\n".join([*lines, f"{sent} of {len(deliveries)} took it"])


def _send(delivery: Delivery, open_service: Callable[[], Notifier] | None) -> Delivery:
    tried = replace(delivery, attempts=delivery.attempts + 1)
    try:
        if open_service is None:
            raise FinalError("it is no longer among the cluster's services")
        open_service().send(delivery.message)
    except UnknownOutcome as error:
        return replace(tried, outcome=Outcome.UNKNOWN, reason=str(error))
    except TemporaryError as error:
        return replace(tried, outcome=Outcome.FAILED, reason=str(error))
    except ClusterError as error:
        return replace(tried, outcome=Outcome.REFUSED, reason=str(error))
    return replace(tried, outcome=Outcome.SENT, reason="")

"""Who has been told what: each message goes to each service exactly once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.kernel.errors import ClusterError, FinalError, TemporaryError, UnknownOutcome
from domain.observe.alarms.messages import Message
from domain.observe.alarms.notifier import Notifier

PATIENCE = timedelta(hours=6)
"""How long a message is offered to a service that does not take it; older news is none."""


class Outcome(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"  # will be tried again
    REFUSED = "refused"
    UNKNOWN = "unknown"  # went out without an answer; sending again could tell people twice
    EXPIRED = "expired"


DUE = (Outcome.WAITING, Outcome.FAILED)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one service. `number` orders messages; `reason` says why it did not go."""

    number: int
    service: str
    written_at: datetime
    message: Message
    outcome: Outcome = Outcome.WAITING
    attempts: int = 0
    reason: str = ""


def deliver(
    due: Sequence[Delivery],
    services: Mapping[str, Callable[[], Notifier]],
    before: Callable[[Delivery], bool],
    after: Callable[[Delivery], None],
    now: datetime,
) -> tuple[Delivery, ...]:
    """Send what is due, oldest first; a service that fails keeps no other from its messages.

    A service that fails once is not asked again in the same round, so that its messages keep their
    order and its silence costs one time-out.

    Args:
        services: by name, what opens them.
        before: notes that a message is about to go; False when somebody else has taken it.
        after: notes what became of it.
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
    """Send a message to every service, whatever the others answer; nothing is remembered."""
    return tuple(
        _send(Delivery(0, service, now, message), opening) for service, opening in services.items()
    )


def format_test_results(told: Sequence[Delivery]) -> str:
    """Say what became of a test message, a line for each service."""
    lines = [
        f"{one.service}: {one.outcome}" + (f", {one.reason}" if one.reason else "") for one in told
    ]
    taken = sum(one.outcome is Outcome.SENT for one in told)
    return "\n".join([*lines, f"{taken} of {len(told)} took it"])


def _send(delivery: Delivery, open_service: Callable[[], Notifier] | None) -> Delivery:
    tried = replace(delivery, attempts=delivery.attempts + 1)
    try:
        if open_service is None:
            raise FinalError("it is not among the cluster's services any more")
        open_service().send(delivery.message)
    except UnknownOutcome as error:
        return replace(tried, outcome=Outcome.UNKNOWN, reason=str(error))
    except TemporaryError as error:
        return replace(tried, outcome=Outcome.FAILED, reason=str(error))
    except ClusterError as error:
        return replace(tried, outcome=Outcome.REFUSED, reason=str(error))
    return replace(tried, outcome=Outcome.SENT, reason="")

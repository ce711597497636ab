"""What one look at the alarms has found, for people, programs and the Prefect UI."""

from dataclasses import dataclass

from domain.alarms.deliveries import Delivery
from domain.alarms.states import AlarmState


@dataclass(frozen=True, slots=True)
class AlarmReport:
    """One look.

    Attributes:
        active: what is pending or firing now, errors first.
        messages: how many new messages were written; each goes to every service.
        deliveries: what became of the messages that were due, old ones included.
        blind: why the alarms could not be looked at; empty where they were.
    """

    cluster: str
    active: tuple[AlarmState, ...] = ()
    messages: int = 0
    deliveries: tuple[Delivery, ...] = ()
    blind: str = ""


def say_alarms(report: AlarmReport) -> str:
    """Say in a few words how it stands: `1 firing, 2 pending; 1 of 2 messages delivered`."""
    if report.blind:
        return f"not looked at: {report.blind}"
    phases = [str(state.phase) for state in report.active]
    words = ", ".join(f"{phases.count(p)} {p}" for p in ("firing", "pending") if p in phases)
    words = words or "all well"
    if report.deliveries:
        sent = sum(delivery.outcome == "sent" for delivery in report.deliveries)
        words += f"; {sent} of {len(report.deliveries)} messages delivered"
    return words

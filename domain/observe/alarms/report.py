"""The report of one evaluation of the alarms, for terminals, programs and the Prefect UI."""

from collections import Counter
from dataclasses import dataclass

from domain.observe.alarms.deliveries import Delivery, Outcome
from domain.observe.alarms.states import AlarmState, Change

_FATES = {
    Outcome.FAILED: "to be sent again",
    Outcome.REFUSED: "refused",
    Outcome.UNKNOWN: "without an answer",
    Outcome.EXPIRED: "given up",
}


@dataclass(frozen=True, slots=True)
class AlarmReport:
    """One evaluation of a cluster's alarms.

    Attributes:
        active: pending and firing alarms, errors first.
        messages: number of new messages; each goes to every service.
        deliveries: outcomes of all messages that were due, old ones included.
        blind: why the alarms could not be evaluated; empty where they were.
        changes: what fires, got worse or resolved at this evaluation.
    """

    cluster: str
    active: tuple[AlarmState, ...] = ()
    messages: int = 0
    deliveries: tuple[Delivery, ...] = ()
    blind: str = ""
    changes: tuple[Change, ...] = ()


def format_alarms(report: AlarmReport) -> str:
    """Format a summary such as `1 firing, 2 pending; 1 of 2 messages delivered`."""
    if report.blind:
        return f"not evaluated: {report.blind}"
    phases = [str(state.phase) for state in report.active]
    words = ", ".join(f"{phases.count(p)} {p}" for p in ("firing", "pending") if p in phases)
    words = words or "none fires, none is pending"
    if report.deliveries:
        failed = _undelivered(report)
        sent = len(report.deliveries) - len(failed)
        words += f"; {sent} of {len(report.deliveries)} messages delivered"
        if services := dict.fromkeys(one.service for one in failed):
            words += f", not all to {', '.join(services)}"
    return words


def format_undelivered(report: AlarmReport) -> list[str]:
    """Name each service that was not notified and the reason, one line per reason."""
    counts = Counter((one.service, one.outcome, one.reason) for one in _undelivered(report))
    return [
        f"{service}: {count} message{'s' if count > 1 else ''} {_FATES.get(outcome, outcome)}"
        + (f": {reason}" if reason else "")
        for (service, outcome, reason), count in counts.items()
    ]


def _undelivered(report: AlarmReport) -> list[Delivery]:
    return [one for one in report.deliveries if one.outcome is not Outcome.SENT]

"""Makers of rules, statistics and states; a test gives only the values that it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.observe.alarms.states import AlarmState, Phase, Readings, Span, Subject
from domain.observe.metrics.records import WindowStatistics
from domain.spec.alarms import AlarmRule, Level
from domain.spec.conditions import Comparator, Statistic
from domain.spec.metrics import Per

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
MACHINE = Subject("k8s-node", "k8s-node-a")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def make_rule(**changes: Any) -> AlarmRule:
    """CPU on average above 80 is a warning, above 95 an error, without a hold."""
    values: dict[str, Any] = {
        "name": "cpu-high",
        "metric": "cpu",
        "statistic": Statistic.AVERAGE,
        "comparator": Comparator.ABOVE,
        "warning": 80,
        "error": 95,
        "title": "CPU is busy",
        "title_zh": "CPU 使用率高",
    }
    return AlarmRule(**values | changes)


def seen(value: float, subject: Subject = MACHINE, **changes: Any) -> WindowStatistics:
    values: dict[str, Any] = {
        "group": subject.group,
        "machine": subject.machine,
        "metric": "cpu",
        "unit": "%",
        "count": 5,
        "average": value,
        "minimum": value,
        "maximum": value,
        "latest": NOON,
    }
    return WindowStatistics(**values | changes)


def reading(*statistics: WindowStatistics, seconds: int = 300, per: Per = Per.MACHINE) -> Readings:
    return {Span(seconds, per): statistics}


def make_state(phase: Phase, **changes: Any) -> AlarmState:
    values: dict[str, Any] = {
        "rule": "cpu-high",
        "subject": MACHINE,
        "phase": phase,
        "level": Level.WARNING,
        "since": NOON,
        "value": 85.0,
    }
    return AlarmState(**values | changes)

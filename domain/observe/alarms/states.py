"""The states of an alarm: ok → pending → firing → resolved. Each change is notified once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from domain.observe.metrics.records import WindowStatistics
from domain.spec.alarms import AlarmRule, Level
from domain.spec.conditions import Statistic
from domain.spec.metrics import Per


class Phase(StrEnum):
    """`RESOLVED` is `OK` right after `FIRING`; the next evaluation turns it into `OK`."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of an alarm: a machine (by hostname), a group, or the cluster (both empty)."""

    group: str = ""
    machine: str = ""


@dataclass(frozen=True, slots=True)
class AlarmState:
    """The state of one rule for one subject.

    Attributes:
        level: the highest level since it began; None while ok.
        since: when the phase began.
        value: the last value; None where there was no sample.
    """

    rule: str
    subject: Subject
    phase: Phase
    level: Level | None
    since: datetime
    value: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """A change that is notified: an alarm fires, gets worse or resolves.

    Attributes:
        gone: it resolved because its subject no longer exists.
        lasted: seconds that it fired; 0 while it fires.
    """

    rule: AlarmRule
    state: AlarmState
    gone: bool = False
    lasted: float = 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`states` are those that are new or different; `changes` are those to notify."""

    states: tuple[AlarmState, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A window of statistics in seconds, and what they are grouped by."""

    seconds: int
    per: Per


Readings = Mapping[Span, Sequence[WindowStatistics]]


def spans_of(rules: Iterable[AlarmRule]) -> frozenset[Span]:
    """The statistics that these rules need; each is one query."""
    return frozenset(Span(rule.window_seconds, rule.per) for rule in rules)


def evaluate(
    rules: Sequence[AlarmRule],
    readings: Readings,
    existing: Iterable[Subject],
    states: Iterable[AlarmState],
    now: datetime,
) -> Evaluation:
    """Evaluate each rule. Pure: neither stores nor sends anything.

    Without a sample an alarm keeps its state; only the statistic `count` reads no sample as 0. The
    alarms of a subject that no longer exists resolve.

    Args:
        existing: the existing machines and groups, and the cluster.
        states: the results of the last evaluation.
    """
    there = frozenset(existing)
    known = {(state.rule, state.subject): state for state in states}
    after: list[AlarmState] = []
    changes: list[Change] = []
    for rule in rules:
        values = _values(rule, readings.get(Span(rule.window_seconds, rule.per), ()), there)
        mine = {subject for name, subject in known if name == rule.name}
        for subject in sorted({*values, *mine}, key=lambda s: (s.group, s.machine)):
            before = known.get((rule.name, subject)) or AlarmState(
                rule.name, subject, Phase.OK, None, now, None
            )
            gone = subject not in there
            state = _end(before, now) if gone else _step(rule, before, values.get(subject), now)
            if state != before:
                after.append(state)
            if _is_news(before, state):
                lasted = _seconds(before, now) if state.phase is Phase.RESOLVED else 0.0
                changes.append(Change(rule, state, gone, lasted))
    return Evaluation((*after, *_forgotten(rules, known.values(), now)), tuple(changes))


def active_states(states: Iterable[AlarmState]) -> tuple[AlarmState, ...]:
    """The pending and firing alarms: firing ones first, errors before warnings.

    Of several states of one alarm the last one counts.
    """
    last = {(state.rule, state.subject): state for state in states}
    active = [state for state in last.values() if state.phase in (Phase.PENDING, Phase.FIRING)]
    return tuple(
        sorted(active, key=lambda s: (s.phase is Phase.PENDING, s.level is Level.WARNING, s.since))
    )


def _values(
    rule: AlarmRule, statistics: Iterable[WindowStatistics], there: frozenset[Subject]
) -> dict[Subject, float]:
    """The rule's value of each existing subject; one without samples has a count of 0."""
    concerned = {subject for subject in there if _concerns(rule, subject)}
    values = dict.fromkeys(concerned, 0.0) if rule.statistic is Statistic.COUNT else {}
    for seen in statistics:
        subject = Subject(seen.group, seen.machine)
        if seen.metric == rule.metric and subject in concerned:
            values[subject] = rule.statistic.of(seen)
    return values


def _concerns(rule: AlarmRule, subject: Subject) -> bool:
    match rule.per:
        case Per.MACHINE:
            fits = bool(subject.machine)
        case Per.GROUP:
            fits = bool(subject.group) and not subject.machine
        case Per.CLUSTER:
            fits = not subject.group
    return fits and rule.group in ("", subject.group)


def _step(rule: AlarmRule, before: AlarmState, value: float | None, now: datetime) -> AlarmState:
    """The state after one more evaluation; the same object where nothing changed or is known."""
    if value is None:
        return before
    level = rule.level_of(value)
    if level is None:
        return _end(before, now, value)
    seen = replace(before, level=level, value=value)
    match before.phase:
        case Phase.FIRING:
            return replace(seen, level=Level.ERROR if Level.ERROR is before.level else level)
        case Phase.PENDING if _seconds(before, now) < rule.hold_seconds:
            return seen
        case Phase.OK | Phase.RESOLVED if rule.hold_seconds:
            return replace(seen, phase=Phase.PENDING, since=now)
        case _:
            return replace(seen, phase=Phase.FIRING, since=now)


def _end(before: AlarmState, now: datetime, value: float | None = None) -> AlarmState:
    """The state after the cause has ended, or the subject has."""
    match before.phase:
        case Phase.OK:
            return before
        case Phase.FIRING:
            return replace(before, phase=Phase.RESOLVED, since=now, value=value)
        case _:
            return replace(before, phase=Phase.OK, level=None, since=now, value=value)


def _is_news(before: AlarmState, state: AlarmState) -> bool:
    if state.phase is Phase.FIRING:
        return before.phase is not Phase.FIRING or before.level is not state.level
    return state.phase is Phase.RESOLVED and before.phase is Phase.FIRING


def _forgotten(
    rules: Iterable[AlarmRule], states: Iterable[AlarmState], now: datetime
) -> Iterable[AlarmState]:
    """End alarms whose rule was deleted. No notification: the deletion was intended."""
    names = {rule.name for rule in rules}
    return [
        replace(state, phase=Phase.OK, level=None, since=now, value=None)
        for state in states
        if state.rule not in names and state.phase is not Phase.OK
    ]


def _seconds(state: AlarmState, now: datetime) -> float:
    return (now - state.since).total_seconds()

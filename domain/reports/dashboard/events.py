"""Events of the dashboard: changes of groups' sizes, and alarms from begin to end."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from domain.observe.alarms.states import AlarmState, Phase, Subject
from domain.observe.cost import Life, size_changes
from domain.observe.scalings import Scaling
from domain.reports.dashboard.records import AlarmSpan, ScaleEvent
from domain.spec.alarms import Level

TOGETHER = timedelta(minutes=3)
"""Machines of one scaling are created and deleted within this time."""


def sizes_of(
    lives: Sequence[Life], since: datetime, until: datetime
) -> dict[str, tuple[tuple[datetime, int], ...]]:
    """The sizes of each group from `since` on, as steps of (moment, size)."""
    sizes: dict[str, tuple[tuple[datetime, int], ...]] = {}
    for group in sorted({life.group for life in lives}):
        steps = [(moment, size) for moment, _, size in _steps(lives, group, since, until)]
        sizes[group] = (*steps, (until, steps[-1][1]))
    return sizes


def scale_events(lives: Sequence[Life], since: datetime, until: datetime) -> tuple[ScaleEvent, ...]:
    """The changes of groups' sizes, those of one scaling as one event; oldest first."""
    events: list[ScaleEvent] = []
    for group in sorted({life.group for life in lives}):
        last: ScaleEvent | None = None
        for moment, change, size in [*_steps(lives, group, since, until)][1:]:
            if last and moment - last.time <= TOGETHER and (change > 0) is (last.change > 0):
                events.remove(last)
                last = ScaleEvent(last.time, group, last.change + change, size)
            else:
                last = ScaleEvent(moment, group, change, size)
            events.append(last)
    return tuple(sorted(events, key=lambda event: (event.time, event.group)))


def unexplained(
    events: Sequence[ScaleEvent], scalings: Sequence[Scaling]
) -> tuple[ScaleEvent, ...]:
    """The changes that happened while none of our runs changed their group."""
    return tuple(
        event
        for event in events
        if not any(
            one.group == event.group
            and one.began_at - TOGETHER <= event.time <= one.ended_at + TOGETHER
            for one in scalings
        )
    )


def alarm_spans(
    steps: Iterable[AlarmState], active: Iterable[AlarmState], since: datetime
) -> tuple[AlarmSpan, ...]:
    """The spans in which alarms fired, with their highest level, in the order of begins.

    Args:
        steps: phases entered, oldest first.
        active: alarms that are pending or firing now; they may have begun before the first step.
    """
    open_spans: dict[tuple[str, Subject], AlarmSpan] = {}
    done: list[AlarmSpan] = []
    for state in steps:
        key = state.rule, state.subject
        if state.phase is Phase.FIRING:
            open_spans[key] = _span(state, open_spans.get(key))
        elif state.phase is Phase.RESOLVED or (state.phase is Phase.OK and key in open_spans):
            begun = open_spans.pop(key, None) or _span(state, None, begin=since)
            done.append(replace(begun, end=state.since))
    for state in active:
        if state.phase is Phase.FIRING:
            key = state.rule, state.subject
            done.append(_span(state, open_spans.pop(key, None)))
    return tuple(sorted(done, key=lambda span: (span.begin, span.rule, span.subject)))


def _span(state: AlarmState, before: AlarmSpan | None, begin: datetime | None = None) -> AlarmSpan:
    where = state.subject.machine or state.subject.group or "cluster"
    level = state.level or Level.WARNING
    start = before.begin if before else begin or state.since
    return AlarmSpan(state.rule, where, level, start, None)


def _lived(life: Life, moment: datetime) -> bool:
    return life.created_at <= moment and (life.ended_at is None or life.ended_at > moment)


def _steps(
    lives: Sequence[Life], group: str, since: datetime, until: datetime
) -> Iterator[tuple[datetime, int, int]]:
    """Yield moment, change and size of a group: first those at `since`, then each change."""
    mine = [life for life in lives if life.group == group]
    size = sum(_lived(life, since) for life in mine)
    yield since, 0, size
    for moment, change in size_changes(mine):
        if since < moment <= until:
            size += change
            yield moment, change, size

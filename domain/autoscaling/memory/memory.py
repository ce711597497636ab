"""What the next decision must know of the earlier ones; small enough for a ConfigMap."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError

from domain.autoscaling.decision import Reason
from domain.autoscaling.see.snapshot import Snapshot
from domain.spec.scaling import ScalingPolicy

MOST_WATCHED = 200
"""Nodes of which it is remembered since when little is asked of them."""

LONGEST_GAP = 600.0
"""Seconds between two evaluations, beyond which nobody can say what happened in between."""

LESSON = timedelta(hours=24)
"""So long it is remembered that a size did not hold a load."""

RETRY = timedelta(seconds=50)
"""Between two tries to finish what was left unfinished: a little less than a minute's schedule."""

STUCK = timedelta(minutes=15)
"""A node that could not be emptied is not tried again for so long."""


@dataclass(frozen=True, slots=True)
class Act:
    """One change of the size, and how many pods users wanted to run at that moment."""

    at: datetime
    size: int
    target: int
    pods: int


@dataclass(frozen=True, slots=True)
class Lesson:
    """So many machines did not hold so many pods: one had to come back right after it had left."""

    size: int
    pods: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Trouble:
    """Launches of an instance type that failed in a row."""

    failures: int
    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Addition:
    """One that is not known to have ended, and when somebody failed to finish it."""

    began: datetime
    tried: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it is time to try again."""
        return self.tried is None or now - self.tried >= RETRY


@dataclass(frozen=True, slots=True)
class Remembered:
    """A decision, from when to when it was the same, and what was said the last time.

    Args:
        outcome: of a change: `done`, why it failed, or nothing while nobody knows.
    """

    first: datetime
    last: datetime
    kind: str
    reason: Reason
    size: int
    target: int
    words: str
    details: tuple[str, ...] = ()
    count: int = 1
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """All that is remembered of one group.

    Args:
        evaluated_at: when the last decision was made.
        watching_since: since when evaluations follow each other without a gap.
        rules_at: when the metric rules were last looked at.
        nodes: a fingerprint of the names of the group's nodes.
        nodes_since: since when they are the same.
        idle_since: by node, since when little has been asked of it.
        troubles: by instance type.
        stuck: nodes that could not be emptied, and until when they are left alone.
        adding: what was begun to be added, until it has ended.
    """

    evaluated_at: datetime | None = None
    watching_since: datetime | None = None
    rules_at: datetime | None = None
    nodes: str = ""
    nodes_since: datetime | None = None
    last_out: Act | None = None
    last_in: Act | None = None
    lesson: Lesson | None = None
    idle_since: Mapping[str, datetime] = field(default_factory=dict)
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    stuck: Mapping[str, datetime] = field(default_factory=dict)
    recent: tuple[Remembered, ...] = ()
    adding: Addition | None = None

    def to_json(self) -> str:
        return _ADAPTER.dump_json(self).decode()

    def went_backwards(self, now: datetime) -> bool:
        return self.evaluated_at is not None and now < self.evaluated_at


_ADAPTER = TypeAdapter(Memory)


def parse_memory(text: str) -> Memory:
    """Read a memory; one that cannot be read is an empty one, which starts all cooldowns anew."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return Memory()


def notice(memory: Memory, snapshot: Snapshot, policy: ScalingPolicy) -> Memory:
    """Bring a memory to the moment of a snapshot, before it is used for a decision.

    A clock that went backwards, or evaluations that were missed, start what is counted in time
    anew: nothing may be removed because of time that nobody has seen pass.
    """
    now = snapshot.time
    memory = _without_future(memory, now)
    gap = (now - memory.evaluated_at).total_seconds() if memory.evaluated_at else None
    if gap is None or gap < 0 or gap > max(LONGEST_GAP, 5 * policy.interval_seconds):
        memory = replace(memory, watching_since=now, nodes_since=now, idle_since={})
    names = ",".join(sorted(node.name for node in snapshot.nodes if node.group == policy.group))
    nodes = sha256(names.encode()).hexdigest()[:16]
    if nodes != memory.nodes:
        memory = replace(memory, nodes=nodes, nodes_since=now)
    return replace(memory, evaluated_at=now)


def _without_future(memory: Memory, now: datetime) -> Memory:
    def past(act: Act | None) -> Act | None:
        return replace(act, at=min(act.at, now)) if act else None

    longest = timedelta(hours=1)
    return replace(
        memory,
        watching_since=min(memory.watching_since or now, now),
        rules_at=min(memory.rules_at, now) if memory.rules_at else None,
        nodes_since=min(memory.nodes_since or now, now),
        last_out=past(memory.last_out),
        last_in=past(memory.last_in),
        adding=_began(memory.adding, now),
        lesson=_shortened(memory.lesson, now),
        troubles={
            name: replace(trouble, until=min(trouble.until, now + longest))
            for name, trouble in memory.troubles.items()
        },
        stuck={
            name: min(until, now + STUCK) for name, until in memory.stuck.items() if until > now
        },
    )


def _began(adding: Addition | None, now: datetime) -> Addition | None:
    tried = min(adding.tried, now) if adding and adding.tried else None
    return Addition(min(adding.began, now), tried) if adding else None


def _shortened(lesson: Lesson | None, now: datetime) -> Lesson | None:
    return replace(lesson, until=min(lesson.until, now + LESSON)) if lesson else None

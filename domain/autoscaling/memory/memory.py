"""The state that decisions pass on to the next ones; small enough for a ConfigMap."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError

from domain.autoscaling.decision import Reason
from domain.autoscaling.memory.pods import NotTaken, Purchase, Shown
from domain.autoscaling.see.snapshot import Snapshot
from domain.spec.scaling import ScalingPolicy

MOST_WATCHED = 200
"""Nodes of which it is stored since when their use has been low."""

MOST_TYPES = 20
"""Instance types of which it is stored what their nodes have shown."""

LONGEST_GAP = 600.0
"""Seconds between two evaluations, beyond which the time between them counts as unobserved."""

LESSON = timedelta(hours=24)
"""How long it is remembered that a size was too small for a load."""

RETRY = timedelta(seconds=50)
"""Time between two attempts to finish an addition: a little less than a schedule of a minute."""

STUCK = timedelta(minutes=15)
"""How long a node is skipped after its drain failed."""


REPAIRS_COUNT = timedelta(hours=1)
"""How long a repair counts for the policy's `most_an_hour`."""


LAUNCH_SECONDS = 120.0
"""How long a launched machine counts before it appears in the cloud's list."""


@dataclass(frozen=True, slots=True)
class Act:
    """One change of the size, and the number of workload pods at that moment."""

    at: datetime
    size: int
    target: int
    pods: int


@dataclass(frozen=True, slots=True)
class Lesson:
    """A size that was too small for a number of pods: a machine was added right after a removal."""

    size: int
    pods: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Trouble:
    """Consecutive failed launches of an instance type."""

    failures: int
    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class FailedJoins:
    """New machines in a row that did not become nodes.

    Args:
        at: of the last one.
        types: the instance types of the group at that time; others are a reason to try again.
    """

    failures: int
    at: datetime
    until: datetime
    why: str
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Addition:
    """An addition that is not known to have ended, and the last failed attempt to finish it."""

    began: datetime
    tried: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether the next attempt is due."""
        return self.tried is None or now - self.tried >= RETRY


@dataclass(frozen=True, slots=True)
class Remembered:
    """A decision, the first and the last time of its repetitions, and its last text.

    Args:
        outcome: of a change: `done`, why it failed, or empty while it is unknown.
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
    """The memory of one group.

    Args:
        evaluated_at: time of the last decision.
        watching_since: begin of the current evaluations without a gap.
        rules_at: time of the last evaluation of the metric rules.
        nodes: a fingerprint of the names of the group's nodes.
        nodes_since: since when these have been the same.
        idle_since: by node, since when its use has been low.
        troubles: by instance type.
        stuck: nodes whose drain failed, and until when they are skipped.
        adding: the addition that was begun and has not ended.
        broken_since: by id of a machine, or name of a node without one.
        awaited: ids of the machines that booted at the last evaluation.
        failed_joins: None after a machine has joined.
        arrived: time of the last addition of which a machine was seen, or of which none came.
        repairs: times of the removals of broken machines within the last hour.
        purchases: those whose pods may still take their machines.
        not_taken: by kind of pods.
        puzzles: by title of a pod, since when it has waited although there is room for it.
        shown: by instance type.
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
    broken_since: Mapping[str, datetime] = field(default_factory=dict)
    awaited: tuple[str, ...] = ()
    failed_joins: FailedJoins | None = None
    arrived: datetime | None = None
    repairs: tuple[datetime, ...] = ()
    purchases: tuple[Purchase, ...] = ()
    not_taken: Mapping[str, NotTaken] = field(default_factory=dict)
    puzzles: Mapping[str, datetime] = field(default_factory=dict)
    shown: Mapping[str, Shown] = field(default_factory=dict)

    def to_json(self) -> str:
        return _ADAPTER.dump_json(self).decode()

    def went_backwards(self, now: datetime) -> bool:
        return self.evaluated_at is not None and now < self.evaluated_at


_ADAPTER = TypeAdapter(Memory)


def parse_memory(text: str) -> Memory:
    """Parse a memory. Returns: an empty one for invalid text, which restarts all cooldowns."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return Memory()


def notice(memory: Memory, snapshot: Snapshot, policy: ScalingPolicy) -> Memory:
    """Update a memory to the moment of a snapshot, before it is used for a decision.

    A clock that went backwards, or missed evaluations, restart all durations: unobserved time must
    not lead to a removal.
    """
    now = snapshot.time
    memory = _without_future(memory, now)
    gap = (now - memory.evaluated_at).total_seconds() if memory.evaluated_at else None
    if gap is None or gap < 0 or gap > max(LONGEST_GAP, 5 * policy.interval_seconds):
        memory = replace(
            memory,
            watching_since=now,
            nodes_since=now,
            idle_since={},
            broken_since={},
            puzzles={},
        )
    names = ",".join(sorted(node.name for node in snapshot.nodes if node.group == policy.group))
    nodes = sha256(names.encode()).hexdigest()[:16]
    if nodes != memory.nodes:
        memory = replace(memory, nodes=nodes, nodes_since=now)
    shown = {
        template.instance_type: Shown(template.allocatable, template.places)
        for template in snapshot.templates
        if template.is_seen
    }
    if shown:
        others = {name: one for name, one in memory.shown.items() if name not in shown}
        memory = replace(memory, shown=dict([*others.items(), *shown.items()][-MOST_TYPES:]))
    return replace(memory, evaluated_at=now)


def _without_future(memory: Memory, now: datetime) -> Memory:
    def past(act: Act | None) -> Act | None:
        return act and replace(act, at=min(act.at, now))

    longest = timedelta(hours=1)
    adding, lesson, joins = memory.adding, memory.lesson, memory.failed_joins
    return replace(
        memory,
        watching_since=min(memory.watching_since or now, now),
        rules_at=min(memory.rules_at, now) if memory.rules_at else None,
        nodes_since=min(memory.nodes_since or now, now),
        last_out=past(memory.last_out),
        last_in=past(memory.last_in),
        adding=adding and Addition(min(adding.began, now), adding.tried and min(adding.tried, now)),
        lesson=lesson and replace(lesson, until=min(lesson.until, now + LESSON)),
        broken_since={name: min(since, now) for name, since in memory.broken_since.items()},
        failed_joins=joins
        and replace(joins, at=min(joins.at, now), until=min(joins.until, now + LESSON)),
        repairs=tuple(min(at, now) for at in memory.repairs if now - at < REPAIRS_COUNT),
        purchases=tuple(
            replace(one, at=min(one.at, now), arrived=one.arrived and min(one.arrived, now))
            for one in memory.purchases
        ),
        not_taken={
            kind: replace(one, seen=min(one.seen, now)) for kind, one in memory.not_taken.items()
        },
        puzzles={title: min(since, now) for title, since in memory.puzzles.items()},
        troubles={
            name: replace(trouble, until=min(trouble.until, now + longest))
            for name, trouble in memory.troubles.items()
        },
        stuck={
            name: min(until, now + STUCK) for name, until in memory.stuck.items() if until > now
        },
    )

"""What the next decision must know of the earlier ones; small enough for a ConfigMap."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError

from domain.autoscaling.decision import Decision, Hold, Reason, ScaleIn, ScaleOut
from domain.autoscaling.policy import BackOff, ScalingPolicy
from domain.autoscaling.snapshot import Snapshot

MOST_REMEMBERED = 60
"""Decisions kept; holds for the same reason count as one, so they reach back for hours."""

MOST_WATCHED = 200
"""Nodes of which it is remembered since when little is asked of them."""

LONGEST_GAP = 600.0
"""Seconds between two evaluations, beyond which nobody can say what happened in between."""

LESSON = timedelta(hours=24)
"""So long it is remembered that a size did not hold a load."""

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
class Remembered:
    """A decision, from when to when it was the same, and what was said the last time."""

    first: datetime
    last: datetime
    kind: str
    reason: Reason
    size: int
    target: int
    words: str
    details: tuple[str, ...] = ()
    count: int = 1


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
        troubles={
            name: replace(trouble, until=min(trouble.until, now + longest))
            for name, trouble in memory.troubles.items()
        },
        stuck={
            name: min(until, now + STUCK) for name, until in memory.stuck.items() if until > now
        },
    )


def learn(memory: Memory, decision: Decision, now: datetime, pods: int) -> Memory:
    """Remember a decision, and that it is about to be carried out.

    Whoever carries it out says `launch_failed` or `removal_failed` when it did not work.
    """
    match decision:
        case ScaleOut():
            act = Act(now, decision.basis.size, decision.target, pods)
            memory = replace(memory, last_out=act, lesson=_lesson(memory, act))
        case ScaleIn():
            act = Act(now, decision.basis.size, decision.target, pods)
            memory = replace(memory, last_in=act)
        case Hold():
            pass
    return replace(memory, recent=_with(memory.recent, decision, now))


def _lesson(memory: Memory, out: Act) -> Lesson | None:
    """Learn from a machine that had to come back although no pod came with it."""
    gone = memory.last_in
    came_back = gone and gone.target <= out.size and out.pods <= gone.pods
    if not gone or not came_back or out.at - gone.at > LESSON:
        return memory.lesson
    if memory.last_out and memory.last_out.at > gone.at:
        return memory.lesson
    return Lesson(gone.target, out.pods, out.at + LESSON)


def _with(
    recent: tuple[Remembered, ...], decision: Decision, now: datetime
) -> tuple[Remembered, ...]:
    basis = decision.basis
    kind = {ScaleOut: "out", ScaleIn: "in", Hold: "hold"}[type(decision)]
    details = [reading.words for reading in basis.readings] + [note.words for note in basis.notes]
    entry = Remembered(
        now,
        now,
        kind,
        basis.reason,
        basis.size,
        decision.target,
        decision.sentence,
        tuple(details[:8]),
    )
    if recent and kind == "hold":
        last = recent[-1]
        if last.kind == kind and last.size == entry.size:
            if entry.reason is Reason.NOT_DUE:  # says nothing new
                return (*recent[:-1], replace(last, last=now))
            if last.reason == entry.reason:
                entry = replace(entry, first=last.first, count=last.count + 1)
                recent = recent[:-1]
    return (*recent, entry)[-MOST_REMEMBERED:]


def launch_failed(
    memory: Memory, now: datetime, instance_type: str, why: str, back_off: BackOff
) -> Memory:
    """Remember that machines of a type could not be started: the next type has its turn."""
    before = memory.troubles.get(instance_type)
    failures = before.failures + 1 if before else 1
    until = now + timedelta(seconds=back_off.after(failures))
    troubles = {**memory.troubles, instance_type: Trouble(failures, until, why)}
    # Nothing was added, so there is nothing to cool down from.
    return replace(memory, last_out=None, troubles=troubles)


def launch_succeeded(memory: Memory, instance_type: str) -> Memory:
    """Forget the failures of a type."""
    kept = {name: trouble for name, trouble in memory.troubles.items() if name != instance_type}
    return replace(memory, troubles=kept)


def removal_failed(memory: Memory, now: datetime, node: str) -> Memory:
    """Remember that a node could not be emptied: after the cooldown another one has its turn."""
    stuck = {**memory.stuck, node: now + STUCK}
    # Nothing has left, so nothing can come back; but the attempt moved pods.
    return replace(memory, last_in=None, watching_since=now, stuck=stuck)


def explain(memory: Memory, moment: datetime) -> Remembered | None:
    """The decision that stood at a moment; None before the oldest that is remembered."""
    known = [entry for entry in memory.recent if entry.first <= moment]
    return known[-1] if known else None

"""What is written into the memory: each decision, and what came of it when it was carried out."""

from dataclasses import replace
from datetime import datetime, timedelta

from domain.autoscaling.decision import KINDS, Decision, Hold, Reason, ScaleIn, ScaleOut
from domain.autoscaling.memory.memory import (
    LESSON,
    STUCK,
    Act,
    Addition,
    Lesson,
    Memory,
    Remembered,
    Trouble,
)
from domain.spec.scaling import BackOff

MOST_REMEMBERED = 60
"""Decisions kept; holds for the same reason count as one, so they reach back for hours."""

MOST_DETAILS = 8
LONGEST_OUTCOME = 500

DONE = "done"


def learn(memory: Memory, decision: Decision, now: datetime, pods: int) -> Memory:
    """Remember a decision, and that it is about to be carried out.

    Whoever carries it out says with one of the functions below what came of it.
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
    anew = memory.watching_since == now  # what was the same before a gap was not so all the time
    return replace(memory, recent=_with(memory.recent, decision, now, anew=anew))


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
    recent: tuple[Remembered, ...], decision: Decision, now: datetime, *, anew: bool
) -> tuple[Remembered, ...]:
    entry = _entry(decision, now)
    last = recent[-1] if recent and not anew else None
    if last and last.kind == entry.kind == "hold" and last.size == entry.size:
        if entry.reason is Reason.NOT_DUE:  # says nothing new
            return (*recent[:-1], replace(last, last=now))
        if last.reason == entry.reason:
            entry = replace(entry, first=last.first, count=last.count + 1)
            recent = recent[:-1]
    return (*recent, entry)[-MOST_REMEMBERED:]


def _entry(decision: Decision, now: datetime) -> Remembered:
    basis = decision.basis
    details = [reading.words for reading in basis.readings] + [note.words for note in basis.notes]
    return Remembered(
        now,
        now,
        KINDS[type(decision)],
        basis.reason,
        basis.size,
        decision.target,
        decision.sentence,
        tuple(details[:MOST_DETAILS]),
    )


def addition_began(memory: Memory, now: datetime) -> Memory:
    """Remember that machines are being ordered: who ends before they are nodes leaves them so."""
    return replace(memory, adding=Addition(now))


def addition_tried(memory: Memory, now: datetime) -> Memory:
    """Remember that an addition could not be finished this time either."""
    return replace(memory, adding=memory.adding and replace(memory.adding, tried=now))


def addition_ended(memory: Memory) -> Memory:
    """Forget an addition that needs nothing more, whatever became of it."""
    return replace(memory, adding=None)


def act_done(memory: Memory, decision: Decision) -> Memory:
    """Remember that a change was carried out; the type that was launched has no failures now."""
    if isinstance(decision, ScaleOut):
        troubles = dict(memory.troubles)
        troubles.pop(decision.instance_type, None)
        memory = replace(addition_ended(memory), troubles=troubles)
    return _with_outcome(memory, DONE)


def act_failed(memory: Memory, why: str) -> Memory:
    """Remember that a change was begun and not finished; what is there of it stays."""
    return _with_outcome(memory, why[:LONGEST_OUTCOME])


def launch_failed(
    memory: Memory, now: datetime, instance_type: str, why: str, back_off: BackOff
) -> Memory:
    """Remember that machines of a type could not be started: the next type has its turn."""
    before = memory.troubles.get(instance_type)
    failures = before.failures + 1 if before else 1
    until = now + timedelta(seconds=back_off.after(failures))
    troubles = {**memory.troubles, instance_type: Trouble(failures, until, why)}
    # Nothing was added, so the next type need not wait; but removals wait as after any change.
    memory = replace(memory, last_out=None, watching_since=now, troubles=troubles)
    return act_failed(memory, why)


def removal_failed(memory: Memory, now: datetime, node: str, why: str) -> Memory:
    """Remember that a node could not be emptied: after the cooldown another one has its turn."""
    stuck = {**memory.stuck, node: now + STUCK}
    # Nothing has left, so nothing can come back; but the attempt moved pods.
    memory = replace(memory, last_in=None, watching_since=now, stuck=stuck)
    return act_failed(memory, why)


def _with_outcome(memory: Memory, outcome: str) -> Memory:
    *before, last = memory.recent
    return replace(memory, recent=(*before, replace(last, outcome=outcome)))

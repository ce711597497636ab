"""Changes of the memory: each decision, and the outcome of carrying it out."""

from dataclasses import replace
from datetime import datetime, timedelta

from domain.autoscaling.decision import (
    KINDS,
    Decision,
    Hold,
    Reason,
    Repair,
    ScaleIn,
    ScaleOut,
)
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
"""Decisions kept; repeated holds for the same reason count as one, so they cover hours."""

MOST_DETAILS = 8
LONGEST_OUTCOME = 500

DONE = "done"


def learn(memory: Memory, decision: Decision, now: datetime, pods: int) -> Memory:
    """Record a decision that is about to be carried out.

    The caller reports the outcome with one of the functions below.
    """
    match decision:
        case ScaleOut():
            act = Act(now, decision.basis.size, decision.target, pods)
            memory = replace(memory, last_out=act, lesson=_lesson(memory, act))
        case ScaleIn():
            act = Act(now, decision.basis.size, decision.target, pods)
            memory = replace(memory, last_in=act)
        case Repair() if decision.machine:
            memory = replace(memory, repairs=(*memory.repairs, now))
        case Repair() | Hold():
            pass
    anew = memory.watching_since == now  # after a gap a repeated hold is a new entry
    return replace(memory, recent=_with(memory.recent, decision, now, anew=anew))


def _lesson(memory: Memory, out: Act) -> Lesson | None:
    """Record that a machine was added again after a removal, without more pods."""
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
        if entry.reason is Reason.NOT_DUE:  # no new information
            return (*recent[:-1], replace(last, last=now))
        if last.reason == entry.reason:
            entry = replace(entry, first=last.first, count=last.count + 1)
            recent = recent[:-1]
    return (*recent, entry)[-MOST_REMEMBERED:]


def _entry(decision: Decision, now: datetime) -> Remembered:
    basis = decision.basis
    return Remembered(
        now,
        now,
        KINDS[type(decision)],
        basis.reason,
        basis.size,
        decision.target,
        decision.sentence,
        basis.facts[:MOST_DETAILS],
    )


def addition_began(memory: Memory, now: datetime) -> Memory:
    """Record that machines are being launched, in case this process ends before they join."""
    return replace(memory, adding=Addition(now))


def addition_tried(memory: Memory, now: datetime) -> Memory:
    """Record a failed attempt to finish an addition."""
    return replace(memory, adding=memory.adding and replace(memory.adding, tried=now))


def addition_ended(memory: Memory) -> Memory:
    """Drop an addition that has ended, whatever its outcome."""
    return replace(memory, adding=None)


def act_done(memory: Memory, decision: Decision) -> Memory:
    """Record a finished change; a successful launch clears the failures of its type."""
    if isinstance(decision, ScaleOut):
        troubles = dict(memory.troubles)
        troubles.pop(decision.instance_type, None)
        memory = replace(addition_ended(memory), troubles=troubles)
    return _with_outcome(memory, DONE)


def act_failed(memory: Memory, why: str) -> Memory:
    """Record a change that was begun and not finished; its resources stay."""
    return _with_outcome(memory, why[:LONGEST_OUTCOME])


def launch_failed(
    memory: Memory, now: datetime, instance_type: str, why: str, back_off: BackOff
) -> Memory:
    """Record a failed launch of an instance type, so that the next type is tried."""
    before = memory.troubles.get(instance_type)
    failures = before.failures + 1 if before else 1
    until = now + timedelta(seconds=back_off.after(failures))
    troubles = {**memory.troubles, instance_type: Trouble(failures, until, why)}
    # Nothing was added, so the next type need not wait; but removals wait as after any change.
    memory = replace(memory, last_out=None, watching_since=now, troubles=troubles)
    return act_failed(memory, why)


def removal_failed(memory: Memory, now: datetime, node: str, why: str) -> Memory:
    """Record a failed drain, so that another node is chosen after the cooldown."""
    stuck = {**memory.stuck, node: now + STUCK}
    # Nothing was removed, so there is no lesson to learn; but the attempt has moved pods.
    memory = replace(memory, last_in=None, watching_since=now, stuck=stuck)
    return act_failed(memory, why)


def repair_failed(memory: Memory, now: datetime, node: str, why: str) -> Memory:
    """Record a failed removal of a broken machine, so that it is not tried again at once."""
    return act_failed(replace(memory, stuck={**memory.stuck, node: now + STUCK}), why)


def _with_outcome(memory: Memory, outcome: str) -> Memory:
    *before, last = memory.recent
    return replace(memory, recent=(*before, replace(last, outcome=outcome)))

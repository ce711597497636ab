"""Which of the pods that wait a machine is bought for, and why not for the others."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.autoscaling.decision import Note, Reason
from domain.autoscaling.memory.memory import Memory
from domain.autoscaling.memory.pods import kind_of
from domain.autoscaling.see.snapshot import SeenPod, Snapshot
from domain.spec.scaling import ScalingPolicy

MOST_NOTES = 5
"""Pods that are named for each reason."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The pods that wait, by whether machines are bought for them.

    Args:
        pending: for these.
        arriving: number of pods whose machines have just become Ready, and are not taken yet.
        notes: about the others; they neither buy machines nor keep them.
    """

    pending: Sequence[SeenPod]
    arriving: int = 0
    notes: tuple[Note, ...] = ()


def sort_waiting(snapshot: Snapshot, policy: ScalingPolicy, memory: Memory) -> Waiting:
    """Separate the pods that no machine helps."""
    pending, lowly, taught, arriving = [], [], [], 0
    soon = {kind for one in memory.purchases if one.arrived for kind in one.pods.values()}
    is_taught = bool(soon or memory.not_taken)
    for pod in snapshot.pending:
        kind = kind_of(pod) if is_taught else ""
        if pod.priority < policy.least_priority:
            lowly.append((pod, f"{pod.priority} is below {policy.least_priority}"))
        elif kind in memory.not_taken:
            taught.append((pod, memory.not_taken[kind].why))
        elif kind in soon:
            arriving += 1
        else:
            pending.append(pod)
    held = [(pod, pod.held_by) for pod in snapshot.held]
    notes = (
        *_notes(Reason.NOT_TAKEN, taught),
        *_notes(Reason.HELD, held),
        *_notes(Reason.LOW_PRIORITY, lowly),
    )
    return Waiting(pending, arriving, notes)


def _notes(reason: Reason, pods: Sequence[tuple[SeenPod, str]]) -> list[Note]:
    """A note for each of the first pods; the last one counts the rest."""
    notes = [Note(reason, f"pod {pod.title}", why) for pod, why in pods[:MOST_NOTES]]
    if len(pods) > MOST_NOTES:
        notes.append(Note(reason, f"{len(pods) - MOST_NOTES} more pods"))
    return notes

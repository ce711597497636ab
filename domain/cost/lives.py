"""From when to when each machine has existed, as far as somebody has looked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.view import ClusterView


@dataclass(frozen=True, slots=True)
class MachineLife:
    """One machine's life; `ended_at` is None while it lives.

    The cloud forgets machines some time after their end, so their lives are kept by us.
    """

    machine: str
    group: str
    type_id: str
    created_at: datetime
    ended_at: datetime | None = None


def follow_machines(
    known: Sequence[MachineLife], view: ClusterView, now: datetime
) -> tuple[MachineLife, ...]:
    """The lives that are new or have ended since somebody looked last; empty when none has.

    The cloud does not say when a machine has ended: the moment at which it is missed counts, which
    is late by the pace of looking, and never too early. A machine that is seen again lives on.
    """
    lives = {life.machine: life for life in known}
    changed = []
    for machine in view.instances:
        seen = MachineLife(
            machine.id, view.group_of(machine), machine.type_id, machine.created_at, None
        )
        if lives.get(machine.id) != seen:
            changed.append(seen)
    there = {machine.id for machine in view.instances}
    changed += [
        replace(life, ended_at=now)
        for life in known
        if life.ended_at is None and life.machine not in there
    ]
    return tuple(changed)

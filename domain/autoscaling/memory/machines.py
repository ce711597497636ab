"""What is remembered of machines: since when they are broken, and whether new ones join."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from domain.autoscaling.memory.memory import LAUNCH_SECONDS, LESSON, FailedJoins, Memory
from domain.autoscaling.see.snapshot import SeenMachine, Snapshot
from domain.kernel.texts import first_of
from domain.node.serving import Fault, Standing, State
from domain.spec.scaling import ScalingPolicy

MOST_FAILED_JOINS = 2
"""After so many failures in a row no machine is bought until one joins, other instance types are
wanted or a day is over: the next machine would fail, too, and cost as much."""

MOST_AWAITED = 200

CLOCKS_AGREE = timedelta(minutes=1)
"""Moments of the cloud are converted to our clock to the minute."""


def notice_machines(
    memory: Memory, snapshot: Snapshot, standings: Mapping[str, Standing], policy: ScalingPolicy
) -> Memory:
    """Update a memory by the standings of the machines, before a decision.

    Args:
        standings: by id of a machine, or by name of a node without a machine.
    """
    now = snapshot.time
    broken = {name: one.fault for name, one in standings.items() if one.fault}
    joined = [one for one in memory.awaited if _is(State.SERVING, standings.get(one))]
    failed = _find_failed(memory, snapshot, standings)
    known = (arrived := _has_arrived(memory, snapshot)) is not None
    if arrived is False:
        failed.append("the last one")
    joins, types = memory.failed_joins, tuple(t.instance_type for t in snapshot.templates)
    if joins and (joined or _served_since(joins, snapshot.machines, standings)):
        joins = None
    if joins and types and joins.types != types:
        joins = None
    if failed:
        failures = joins.failures + 1 if joins else 1
        pause = timedelta(seconds=policy.back_off.after(failures))
        pause = LESSON if failures >= MOST_FAILED_JOINS else pause
        joins = FailedJoins(failures, now, now + pause, _why(failed, broken), types)
    return replace(
        memory,
        broken_since={name: memory.broken_since.get(name, now) for name in broken},
        awaited=tuple(_find_new(snapshot, standings, policy))[:MOST_AWAITED],
        failed_joins=joins,
        arrived=memory.last_out.at if known and memory.last_out else memory.arrived,
    )


def _find_new(
    snapshot: Snapshot, standings: Mapping[str, Standing], policy: ScalingPolicy
) -> Iterator[str]:
    """Yield the new machines that boot, without older ones that were started again."""
    since = snapshot.time - timedelta(seconds=policy.boot_seconds)
    for machine in snapshot.machines:
        if machine.created_at > since and _is(State.BOOTING, standings.get(machine.id)):
            yield machine.id


def _is(state: State, standing: Standing | None) -> bool:
    return standing is not None and standing.state is state


def _served_since(
    joins: FailedJoins, machines: Sequence[SeenMachine], standings: Mapping[str, Standing]
) -> bool:
    return any(
        machine.created_at > joins.at and _is(State.SERVING, standings.get(machine.id))
        for machine in machines
    )


def _find_failed(
    memory: Memory, snapshot: Snapshot, standings: Mapping[str, Standing]
) -> list[str]:
    """The new machines that broke or vanished before they were nodes, since the last evaluation.

    Those of the last addition may break before any evaluation has seen them boot: it lasts until
    they have joined or failed.
    """
    gone = Standing(State.BROKEN, Fault.GONE)
    failed = [one for one in memory.awaited if standings.get(one, gone).is_broken]
    if memory.last_out is None:
        return failed
    known = {*memory.broken_since, *failed}
    nodes = {node.name for node in snapshot.nodes}
    since = memory.last_out.at - CLOCKS_AGREE
    failed += [
        machine.id
        for machine in snapshot.machines
        if machine.created_at >= since
        and machine.id not in known
        and machine.node not in nodes
        and standings[machine.id].is_broken
    ]
    return failed


def _has_arrived(memory: Memory, snapshot: Snapshot) -> bool | None:
    """Whether a machine of the last addition was seen.

    Returns: False, once, where it should have been; None where that is known already, or not yet.
    """
    out = memory.last_out
    if out is None or memory.arrived == out.at:
        return None
    if any(machine.created_at >= out.at - CLOCKS_AGREE for machine in snapshot.machines):
        return True
    return False if (snapshot.time - out.at).total_seconds() >= LAUNCH_SECONDS else None


def _why(failed: Sequence[str], broken: Mapping[str, Fault]) -> str:
    causes = dict.fromkeys(broken.get(one, Fault.GONE) for one in failed)
    return f"{first_of(failed)}: {', '.join(causes)}"

"""Is etcd whole, small enough, and are its disks fast enough?"""

from collections.abc import Iterator, Sequence

from domain.health.findings import Finding, Subject, trouble, warning, well
from domain.kernel.texts import first_of
from domain.node.etcd import EtcdState

FSYNC_SECONDS = 0.1
"""The slowest of a hundred writes of the log may take so long. etcd wants 10 ms on a local disk; a
cloud's disks are slower, and leaders are lost when it takes as long as a heartbeat, 100 ms."""

NEARLY_FULL = 0.8
"""Of the quota: at the whole of it etcd takes no more writes."""


def check_etcd(states: Sequence[EtcdState], masters: int) -> list[Finding]:
    """Check etcd as each member sees it.

    Args:
        masters: how many there are.
    """
    found = [*_members(states, masters), *_sizes(states), *_disks(states)]
    if found:
        return found
    size = max(state.size for state in states) / 2**20
    slowest = max(state.fsync_p99 for state in states) * 1000
    words = f"{len(states)} of {masters} members answer, {size:.1f} MiB, fsync {slowest:.1f} ms"
    return [well(Subject.ETCD, words)]


def _members(states: Sequence[EtcdState], masters: int) -> Iterator[Finding]:
    known = {member.name: member for state in states for member in state.members}
    if silent := sorted(name for name, member in known.items() if not member.started):
        yield trouble(Subject.ETCD, f"members have not started: {first_of(silent)}")
    elif len(known) != masters:
        names = first_of(sorted(known))
        yield trouble(
            Subject.ETCD,
            f"{len(known)} members ({names}) for {masters} masters: what is left of a lost one "
            "counts for the quorum",
        )
    if lost := [state.machine for state in states if not state.has_leader]:
        yield trouble(Subject.ETCD, f"no leader is seen by {first_of(lost)}")
    if alarmed := [f"{one.machine}: {one.alarm}" for one in states if one.alarm]:
        yield trouble(Subject.ETCD, f"etcd's own alarm on {first_of(alarmed)}")


def _sizes(states: Sequence[EtcdState]) -> Iterator[Finding]:
    for state in states:
        if state.quota and state.size >= NEARLY_FULL * state.quota:
            share = 100 * state.size / state.quota
            yield warning(
                Subject.ETCD,
                f"{state.machine} has used {share:.0f} % of its space; at 100 % nothing is written",
                "Delete old objects, then: etcdctl defrag",
            )


def _disks(states: Sequence[EtcdState]) -> Iterator[Finding]:
    slow = [
        f"{state.machine} ({state.fsync_p99 * 1000:.0f} ms)"
        for state in states
        if state.fsync_p99 > FSYNC_SECONDS
    ]
    if slow:
        yield warning(
            Subject.ETCD,
            f"the disk is slow for etcd on {first_of(slow)}",
            "Use a faster type of disk for masters",
        )

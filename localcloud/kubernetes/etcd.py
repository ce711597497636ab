"""The members of a cluster's etcd: who is in the list, which of them run, whether they are enough.

A member that does not run stays in the list until it is removed, and counts for the quorum.
"""

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path


class EtcdRefused(Exception):
    """A change of the members that etcd refuses, in its own words."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member in the list.

    Attributes:
        has_started: whether it ever ran; until then it has no name and no address for clients.
        is_learner: it does not vote until it has caught up.
    """

    id: int
    name: str
    address: str
    has_started: bool = False
    is_learner: bool = False

    @property
    def peer_url(self) -> str:
        return f"https://{self.address}:2380"

    @property
    def client_url(self) -> str:
        return f"https://{self.address}:2379"


class Etcd:
    """The list of members, and those that run.

    Args:
        known: the stored list; empty for a new cluster.
        keep: stores a changed list.
    """

    def __init__(
        self,
        chance: random.Random,
        known: bytes = b"",
        keep: Callable[[bytes], None] = lambda members: None,
    ) -> None:
        self._chance = chance
        self._keep = keep
        self._members: dict[int, Member] = {}
        self._running: dict[int, Path | None] = {}
        self._data: set[Path] = set()
        self.cluster_id = 0
        self.leader = 0
        """The member that leads; 0 without a quorum."""
        self.recall(known)

    def recall(self, known: bytes) -> None:
        """Take over a stored list; an empty one changes nothing."""
        if known:
            document = json.loads(known)
            self.cluster_id = document["cluster"]
            self._members = {one["id"]: Member(**one) for one in document["members"]}

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(self._members.values())

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the members that run."""
        return tuple(file for file in self._running.values() if file is not None)

    @property
    def running(self) -> tuple[int, ...]:
        return tuple(self._running)

    @property
    def has_quorum(self) -> bool:
        """Whether more than half of the voting members run."""
        voters = [one.id for one in self.members if not one.is_learner]
        return 2 * sum(one in self._running for one in voters) > len(voters)

    def runs(self, member_id: int) -> bool:
        """Whether a member runs; one that was removed has ended."""
        return member_id in self._running and member_id in self._members

    def found(self, name: str, address: str) -> Member:
        """Begin a cluster of one member; a cluster that exists has its first one."""
        if self._members:
            return self.members[0]
        self.cluster_id = self._new_id()
        return self._put(Member(self._new_id(), name, address, has_started=True))

    def add_learner(self, name: str, address: str) -> Member:
        """Announce a member, which does not vote before its first start. Raises `EtcdRefused`."""
        known = next((one for one in self.members if one.address == address), None)
        if known is not None:
            return known
        if any(one.is_learner for one in self.members):
            raise EtcdRefused("etcdserver: too many learner members in cluster")
        return self._put(Member(self._new_id(), name, address, is_learner=True))

    def remove(self, member_id: int) -> Member:
        """Take a member out of the list; it ends if it runs.

        Raises:
            EtcdRefused: it is not in the list, or those that are left would be no quorum.
        """
        if member_id not in self._members:
            raise EtcdRefused("etcdserver: member not found")
        self._check_removal(self._members[member_id])
        gone = self._members.pop(member_id)
        self._running.pop(member_id, None)
        self._store()
        return gone

    def _check_removal(self, member: Member) -> None:
        voters = [one for one in self.members if not one.is_learner]
        if not self.has_quorum:
            raise EtcdRefused("context deadline exceeded")
        if member.is_learner:
            return
        if len(voters) == 1:
            raise EtcdRefused(
                "etcdserver: re-configuration failed due to not enough started members"
            )
        active = sum(one.id in self._running for one in voters)
        if member.id in self._running and active - 1 < 1 + (len(voters) - 1) // 2:
            raise EtcdRefused("etcdserver: unhealthy cluster")

    def start(self, member_id: int, file: Path | None) -> None:
        """Let a member run. One that was announced votes from now on: it has caught up."""
        self._running[member_id] = file
        if file is not None:
            self._data.add(file)
        known = self._members.get(member_id)
        if known is not None and not known.has_started:
            self._put(replace(known, has_started=True, is_learner=False))

    def stop(self, member_id: int) -> None:
        self._running.pop(member_id, None)

    def forget_data(self, file: Path) -> bool:
        """Forget the erased file of a member. Returns: whether another one has data."""
        self._data.discard(file)
        return bool(self._data)

    def elect(self) -> bool:
        """Choose a leader where there is none that runs. Returns: whether one has changed."""
        before = self.leader
        if not self.has_quorum:
            self.leader = 0
        elif not self.runs(before):
            self.leader = next(one.id for one in self.members if self.runs(one.id))
        return before != self.leader

    def _put(self, member: Member) -> Member:
        self._members[member.id] = member
        self._store()
        return member

    def _store(self) -> None:
        members = [asdict(one) for one in self.members]
        self._keep(json.dumps({"cluster": self.cluster_id, "members": members}).encode())

    def _new_id(self) -> int:
        return self._chance.getrandbits(63) | 1 << 63

"""The members of a cluster's etcd, of which each master has one: their list, and their quorum.

More than half of them must run, or nothing can be read or written. A member whose machine is gone
stays in the list until it is removed, counts, and keeps further masters from joining.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from domain.kernel.errors import CommandFailed, QuorumAtRisk, TemporaryError
from domain.node.install import FOLDER
from domain.node.shell import Output, Shell

SCRIPT = "etcd_members.sh"
DEADLINE = 120.0
"""Seconds for the list: each member that does not answer takes some of them."""

NO_QUORUM = 32
"""The script's exit code where etcd does not answer."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of etcd; `name` is that of its master's node, and empty before its first start."""

    id: str
    name: str
    peer_url: str
    is_healthy: bool = True
    votes: bool = True

    def belongs_to(self, node: str, address: str) -> bool:
        """Whether it is a master's, by its node's name or, before its first start, its address."""
        return self.name == node if self.name else address in self.peer_url


def list_members(shell: Shell) -> tuple[Member, ...]:
    """Read the members on a master that serves.

    Raises:
        TemporaryError: etcd does not answer there, or has no quorum.
    """
    lines = _run(shell, "list").stdout.splitlines()
    return tuple(_parse(line) for line in lines if line.startswith("MEMBER "))


def _parse(line: str) -> Member:
    _, member_id, health, _, vote, peer_url, *name = line.split()
    return Member(member_id, " ".join(name), peer_url, health == "healthy", vote == "voter")


def remove_member(shell: Shell, member: Member) -> None:
    """Take a member out of the list; one that is not in it is accepted."""
    _run(shell, "remove", member.id)


def _run(shell: Shell, *words: str) -> Output:
    script = f'bash "${{SYSROOT:-}}{FOLDER}/{SCRIPT}" "$@"'
    done = shell.run(["bash", "-c", script, "etcd", *words], deadline=DEADLINE)
    if done.exit_code:
        why = " ".join(done.stderr.split()) or "no message"
        if done.exit_code == NO_QUORUM:
            raise TemporaryError(f"etcd: {why}")
        raise CommandFailed(f"etcd: {why}", exit_code=done.exit_code)
    return done


def find_lost(
    members: Iterable[Member], masters: Collection[tuple[str, str]]
) -> tuple[Member, ...]:
    """The members without a master.

    Args:
        masters: the name of the node and the address of each.
    """
    return tuple(
        member
        for member in members
        if not any(member.belongs_to(node, address) for node, address in masters)
    )


def check_removal(cluster: str, members: Sequence[Member], leaving: Member) -> None:
    """Refuse to remove a member when those that are left would be no quorum.

    Raises:
        QuorumAtRisk: names the master, and the members that do not answer.
    """
    if not leaving.votes:
        return
    staying = [one for one in members if one.votes and one.id != leaving.id]
    healthy = sum(one.is_healthy for one in staying)
    if not staying:
        raise QuorumAtRisk(
            f"master {_named(leaving)} of cluster {cluster} has the only member of etcd: without "
            "it the cluster's objects are lost"
        )
    if 2 * healthy <= len(staying):
        raise QuorumAtRisk(
            f"master {_named(leaving)} of cluster {cluster} stays: without it {healthy} of "
            f"{len(staying)} members of etcd would answer, which is no quorum, so that nothing "
            f"could be read or written. Start or replace first: {_silent(staying)}"
        )


def check_join(
    cluster: str, members: Sequence[Member], joining: str = "", address: str = ""
) -> None:
    """Refuse to let a master join while another one's member does not answer.

    kubeadm refuses that, too, and with the new member one more has to answer.

    Args:
        joining, address: the name of the new master's node, and its address; without them, any.

    Raises:
        QuorumAtRisk: names the members that do not answer.
    """
    others = [one for one in members if not (joining and one.belongs_to(joining, address))]
    if silent := _silent(others):
        raise QuorumAtRisk(
            f"no master can join cluster {cluster} while a member of etcd does not answer: "
            f"{silent}. Start that machine, or replace it with: "
            f"python -m flows.repair --name {cluster}"
        )


def _silent(members: Iterable[Member]) -> str:
    return ", ".join(_named(one) for one in members if one.votes and not one.is_healthy)


def _named(member: Member) -> str:
    return member.name or member.peer_url

"""The tables from which `f2cadm` answers on each machine."""

import hashlib
from collections.abc import Collection, Iterable, Sequence

from domain.cloud.inventory import Machines
from domain.cloud.records import Instance
from domain.cluster.api import Node
from domain.kernel.names import node_name
from domain.node.install import InstallerFile
from domain.node.shell import Shell

ROSTER = "k8s-qingcloud/roster"
"""Annotation of a node whose machine has got the table of machines; its value is `digest`'s."""


FORMAT = b"2"
"""Raised when `installers/f2cadm` changes, so that each machine gets the new one."""


Roster = Sequence[tuple[str, Instance]]
"""Machines with their groups."""


def digest(servers: bytes) -> str:
    """A short text that is the same for equal tables of one version only."""
    return hashlib.sha256(FORMAT + servers).hexdigest()[:16]


def roster_of(seen: Machines, leaving: Collection[str] = ()) -> Roster:
    """The machines that every table lists, in the order of their ids.

    Args:
        leaving: ids of machines that are left out.
    """
    machines = sorted(seen.instances, key=lambda machine: machine.id)
    return [(seen.group_of(one), one) for one in machines if one.id not in leaving]


def lacking(nodes: Iterable[Node], roster: Roster) -> tuple[Instance, ...]:
    """The machines whose node does not say that they have got exactly this table.

    A machine whose node is not Ready gets it from a later run.
    """
    current = digest(servers_table(roster))
    names = {node.name for node in nodes if node.ready and node.annotations.get(ROSTER) != current}
    return tuple(machine for group, machine in roster if node_name(group, machine.id) in names)


def servers_table(machines: Roster) -> bytes:
    """One line for each machine: its group, node name, instance id and address."""
    lines = [
        f"{group} {node_name(group, machine.id)} {machine.id} {machine.private_ip}"
        for group, machine in machines
    ]
    return "\n".join(["clusterRole name id localIP", *lines, ""]).encode()


def upload_f2cadm(
    shell: Shell, files: Sequence[InstallerFile], servers: bytes, local: bytes
) -> None:
    """Upload `f2cadm` and its tables to the paths that the article's scripts use."""
    tool = next(file for file in files if file.path == "f2cadm")
    for name in ("f2cadm", "f2cadmin"):  # the second is the name of earlier releases
        shell.write_file(f"/usr/local/bin/{name}", tool.content, 0o755)
    shell.write_file("/etc/f2cadm/servers", servers, 0o644)
    shell.write_file("/etc/f2cadm/local", local, 0o644)

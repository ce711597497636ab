"""A snapshot of etcd, taken on a master before a change that cannot be undone."""

import json
from dataclasses import dataclass

from domain.kernel.errors import FinalError
from domain.node.etcd import call_etcd
from domain.node.install import check
from domain.node.shell import Shell

INSIDE = "/var/lib/etcd/upgrade.db"
"""Where etcd's container writes it: the folder is the machine's as well."""

FOLDER = "/var/lib/k8s-installer"
SAVE_DEADLINE = 600.0

_MOVE = 'umask 077 && mv -f "${SYSROOT:-}$1" "${SYSROOT:-}$2" && sha256sum "${SYSROOT:-}$2"'


@dataclass(frozen=True, slots=True)
class EtcdSnapshot:
    """A snapshot on a master; `keys` is how many keys it holds, `size` its bytes.

    `revision` is etcd's at that moment, and `version` that of its database.
    """

    path: str
    sha256: str
    keys: int
    size: int
    revision: int = 0
    version: str = ""


def save_snapshot(shell: Shell, name: str) -> EtcdSnapshot:
    """Take a snapshot, check that it can be read, and keep it on the machine.

    Args:
        name: of the file, without its ending; an earlier one of that name is replaced.

    Raises:
        CommandFailed: etcd did not answer, or the disk is full.
        FinalError: the snapshot holds nothing.
    """
    path = f"{FOLDER}/{name}.db"
    call_etcd(shell, "snapshot", "save", INSIDE, deadline=SAVE_DEADLINE)
    words = ("snapshot", "status", INSIDE, "-w", "json")
    seen = json.loads(call_etcd(shell, *words, tool="etcdutl", deadline=SAVE_DEADLINE))
    if not seen["totalKey"]:
        raise FinalError(f"the snapshot {path} of etcd holds no key; nothing was changed")
    moved = shell.run(["bash", "-c", _MOVE, "move", INSIDE, path], deadline=SAVE_DEADLINE)
    check(moved.exit_code, f"the snapshot {path}", moved.stderr)
    return EtcdSnapshot(
        path,
        moved.stdout.split()[0],
        seen["totalKey"],
        seen["totalSize"],
        int(seen.get("revision", 0)),
        str(seen.get("version", "")),
    )

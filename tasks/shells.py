"""The way into a cluster's machines: SSH to the master by its public port, nodes behind it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from blocks.accounts import QingCloudAccount
from clients.ssh import SshMachine, SshTarget
from domain.bootstrap import make_own_host_key, use_own_host_key
from domain.cloud import Instance
from domain.credentials import Credentials
from domain.errors import HostKeyMismatch
from domain.hostkeys import fingerprint
from domain.names import MASTERS, node_name
from domain.waiting import Pace, wait_for
from tasks.credentials import read_credentials, update_credentials
from tasks.steps import run_logger

BOOTING = Pace(timeout=600, interval=0.2, longest=5.0)
"""How long a machine may take from `running` to the first answer of its SSH server."""


UNPACKING = 60.0
"""Seconds in which a new machine may still answer with its image's own host key, because its SSH
server started before the userdata was unpacked. Nothing is sent to it before the key is right."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where SSH enters a cluster, and as whom, by group."""

    cluster: str
    address: str
    port: int
    master: Instance
    users: dict[str, str] = field(default_factory=dict)
    accept_new_host_keys: bool = False

    def user(self, group: str) -> str:
        return self.users.get(group, "root")


@contextmanager
def open_shell(
    account: QingCloudAccount, entrance: Entrance, group: str, machine: Instance
) -> Iterator[SshMachine]:
    """Log in to a machine whose host key is known; nodes are reached through the master.

    Raises:
        HostKeyMismatch: the machine answers with another key than the one pinned.
        WaitTimedOut: it did not answer in time.
    """
    credentials = read_credentials(account, entrance.cluster).credentials()
    with _open(credentials, entrance, group, machine) as shell:
        yield shell


def pin_host_key(
    account: QingCloudAccount, entrance: Entrance, group: str, machine: Instance
) -> str:
    """Let a new machine make its own host key and pin it; answers the pinned key.

    The new key is saved before the machine answers with it, so that a run which ends in between
    can go on; from the moment it is pinned nothing else is accepted.
    """
    credentials = read_credentials(account, entrance.cluster).credentials()
    if machine.id in credentials.host_keys:
        return credentials.host_keys[machine.id]
    with _open(credentials, entrance, group, machine) as shell:
        made = make_own_host_key(shell)
        credentials = update_credentials(
            account, entrance.cluster, lambda now: now.with_made(machine.id, made)
        )
        use_own_host_key(shell)
    with _open(credentials, entrance, group, machine):
        update_credentials(account, entrance.cluster, lambda now: now.with_pinned(machine.id, made))
    run_logger().info("%s: host key %s pinned", machine.id, fingerprint(made))
    return made


@contextmanager
def _open(
    credentials: Credentials, entrance: Entrance, group: str, machine: Instance
) -> Iterator[SshMachine]:
    if group == MASTERS:
        with _connect(credentials, entrance, group, machine, None) as shell:
            yield shell
        return
    with (
        _connect(credentials, entrance, MASTERS, entrance.master, None) as master,
        _connect(credentials, entrance, group, machine, master) as shell,
    ):
        yield shell


def _connect(
    credentials: Credentials,
    entrance: Entrance,
    group: str,
    machine: Instance,
    jump: SshMachine | None,
) -> SshMachine:
    accepted = credentials.accepted(machine.id)
    unpinned = machine.id not in credentials.host_keys
    target = SshTarget(
        address=machine.private_ip if jump else entrance.address,
        port=22 if jump else entrance.port,
        user=entrance.user(group),
        private_key=credentials.ssh.private_key,
        host_keys=() if unpinned and entrance.accept_new_host_keys else accepted,
    )

    deadline = time.monotonic() + UNPACKING

    def look() -> SshMachine | None:
        try:
            return SshMachine.connect(
                target, jump=jump, accept_new_host_key=entrance.accept_new_host_keys and unpinned
            )
        except HostKeyMismatch as error:
            if not unpinned:
                raise
            if time.monotonic() < deadline:
                return None
            raise HostKeyMismatch(
                f"{node_name(group, machine.id)} ({machine.id}) does not answer with the host "
                f"key of its userdata, so its image may have ignored it ({error}); choose "
                "another image, or go on with --accept-new-host-keys"
            ) from error

    what = f"SSH on {node_name(group, machine.id)} ({machine.id})"
    return wait_for(look, what=what, pace=BOOTING)

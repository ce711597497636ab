"""The way into a cluster's machines: SSH to the master by its public port, nodes behind it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from blocks.accounts import QingCloudAccount
from clients.ssh import SshMachine, SshTarget
from domain.cloud.records import Instance
from domain.kernel.errors import HostKeyMismatch, WaitTimedOut
from domain.kernel.names import MASTERS, node_name
from domain.kernel.waiting import Pace, wait_for
from domain.node.login import make_own_host_key, use_own_host_key
from domain.secrets.credentials import Credentials
from domain.secrets.hostkeys import fingerprint
from tasks.credentials import read_credentials, update_credentials
from tasks.steps import run_logger

BOOTING = Pace(timeout=600, interval=0.2, longest=5.0)
"""How long a machine may take from `running` to the first answer of its SSH server."""


SETTLING = 60.0
"""Seconds in which a new machine may still answer with another host key: its image's own, because
SSH started before the userdata was unpacked, or its first one, because SSH has not taken up the
next one yet. Nothing is sent to a machine before its key is right."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where SSH enters a cluster, as whom, by group, and from where it is let in."""

    cluster: str
    address: str
    port: int
    master: Instance
    users: dict[str, str] = field(default_factory=dict)
    accept_new_host_keys: bool = False
    allowed_cidrs: tuple[str, ...] = ()

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
    with _open(credentials, entrance, group, machine, is_new=True) as shell:
        made = make_own_host_key(shell)
        update_credentials(account, entrance.cluster, lambda now: now.with_made(machine.id, made))
        use_own_host_key(shell)
    # From here on nothing but the new key will do; SSH may need a moment to take it up.
    pinned = credentials.with_pinned(machine.id, made)
    with _open(pinned, entrance, group, machine, is_new=True):
        update_credentials(account, entrance.cluster, lambda now: now.with_pinned(machine.id, made))
    run_logger().info("%s: host key %s pinned", machine.id, fingerprint(made))
    return made


@contextmanager
def _open(
    credentials: Credentials,
    entrance: Entrance,
    group: str,
    machine: Instance,
    *,
    is_new: bool = False,
) -> Iterator[SshMachine]:
    if group == MASTERS:
        with _connect(credentials, entrance, group, machine, None, is_new=is_new) as shell:
            yield shell
        return
    with (
        _connect(credentials, entrance, MASTERS, entrance.master, None) as master,
        _connect(credentials, entrance, group, machine, master, is_new=is_new) as shell,
    ):
        yield shell


def _connect(
    credentials: Credentials,
    entrance: Entrance,
    group: str,
    machine: Instance,
    jump: SshMachine | None,
    *,
    is_new: bool = False,
) -> SshMachine:
    accepted = credentials.accepted(machine.id)
    accept_any = is_new and entrance.accept_new_host_keys
    accept_any = accept_any and machine.id not in credentials.host_keys
    target = SshTarget(
        address=machine.private_ip if jump else entrance.address,
        port=22 if jump else entrance.port,
        user=entrance.user(group),
        private_key=credentials.ssh.private_key,
        host_keys=() if accept_any else accepted,
    )
    deadline = time.monotonic() + (SETTLING if is_new else 0)
    name = f"{node_name(group, machine.id)} ({machine.id})"

    def look() -> SshMachine | None:
        try:
            return SshMachine.connect(target, jump=jump, accept_new_host_key=accept_any)
        except HostKeyMismatch as error:
            if time.monotonic() < deadline:
                return None
            if not is_new:
                raise
            raise HostKeyMismatch(
                f"{name} does not answer with the host key of its userdata, so its image may have "
                f"ignored it ({error}); choose another image, or go on with --accept-new-host-keys"
            ) from error

    try:
        return wait_for(look, what=f"SSH on {name}", pace=BOOTING)
    except WaitTimedOut as error:
        if jump or not entrance.allowed_cidrs:
            raise
        raise WaitTimedOut(
            f"{error}. Only {', '.join(entrance.allowed_cidrs)} may connect: if the address under "
            "which others see this machine is not among them, add it with flows.provision --allow"
        ) from error

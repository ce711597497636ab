"""The way into a cluster's machines: SSH to the master by its public port, nodes behind it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from clients.ssh import SshMachine, SshTarget
from domain.cloud.endpoints import Endpoints
from domain.cloud.records import Instance
from domain.kernel.errors import HostKeyMismatch, WaitTimedOut
from domain.kernel.names import MASTERS
from domain.kernel.waiting import Pace, wait_for
from domain.node.login import make_own_host_key, use_own_host_key
from domain.secrets.credentials import Credentials
from domain.secrets.hostkeys import fingerprint
from tasks.cluster import Cluster
from tasks.steps import run_logger

BOOTING = Pace(timeout=600, interval=0.2, longest=5.0)
"""How long a machine may take from `running` to the first answer of its SSH server."""


SETTLING = 60.0
"""Seconds in which a new machine may still answer with another host key: its image's own, because
SSH started before the userdata was unpacked, or its first one, because SSH has not taken up the
next one yet. Nothing is sent to a machine before its key is right."""


@contextmanager
def open_shell(cluster: Cluster, machine: Instance) -> Iterator[SshMachine]:
    """Log in to a machine whose host key is known; nodes are reached through the master.

    Raises:
        HostKeyMismatch: the machine answers with another key than the one pinned.
        WaitTimedOut: it did not answer in time.
    """
    with _open(cluster, cluster.credentials(), machine) as shell:
        yield shell


def pin_host_key(cluster: Cluster, machine: Instance) -> str:
    """Let a new machine make its own host key, and pin it. Returns: the pinned key.

    The new key is saved before the machine answers with it, so that a run which ends in between
    can continue; from the moment it is pinned nothing else is accepted.
    """
    credentials = cluster.credentials()
    if machine.id in credentials.host_keys:
        return credentials.host_keys[machine.id]
    with _open(cluster, credentials, machine, is_new=True) as shell:
        made = make_own_host_key(shell)
        cluster.update_credentials(lambda now: now.with_made(machine.id, made))
        use_own_host_key(shell)
    # From here on nothing but the new key will do; SSH may need a moment to take it up.
    pinned = credentials.with_pinned(machine.id, made)
    with _open(cluster, pinned, machine, is_new=True):
        cluster.update_credentials(lambda now: now.with_pinned(machine.id, made))
    run_logger().info("%s: host key %s pinned", machine.id, fingerprint(made))
    return made


def jump_target(credentials: Credentials, way_in: Endpoints) -> SshTarget:
    """Where SSH enters: the master's port on the public address."""
    return SshTarget(
        address=way_in.public_address,
        port=way_in.ssh_port,
        user=way_in.user(MASTERS),
        private_key=credentials.ssh.private_key,
        host_keys=credentials.accepted(way_in.jump_host),
    )


def inner_target(
    cluster: Cluster, credentials: Credentials, way_in: Endpoints, machine: Instance
) -> SshTarget:
    """Where SSH finds a machine behind the jump host."""
    return SshTarget(
        address=machine.private_ip,
        port=22,
        user=way_in.user(cluster.group_of(machine)),
        private_key=credentials.ssh.private_key,
        host_keys=credentials.accepted(machine.id),
    )


@contextmanager
def _open(
    cluster: Cluster, credentials: Credentials, machine: Instance, *, is_new: bool = False
) -> Iterator[SshMachine]:
    way_in = cluster.way_in()
    outer = jump_target(credentials, way_in)
    if machine.id == way_in.jump_host:
        with _connect(cluster, credentials, machine.id, outer, is_new=is_new) as shell:
            yield shell
        return
    inner = inner_target(cluster, credentials, way_in, machine)
    with (
        _connect(cluster, credentials, way_in.jump_host, outer) as jump,
        _connect(cluster, credentials, machine.id, inner, jump, is_new=is_new) as shell,
    ):
        yield shell


def _connect(
    cluster: Cluster,
    credentials: Credentials,
    machine_id: str,
    target: SshTarget,
    jump: SshMachine | None = None,
    *,
    is_new: bool = False,
) -> SshMachine:
    accept_any = is_new and cluster.accept_new_host_keys
    accept_any = accept_any and machine_id not in credentials.host_keys
    if accept_any:
        target = replace(target, host_keys=())
    deadline = cluster.clock.monotonic() + (SETTLING if is_new else 0)
    name = f"machine {machine_id}"

    def look() -> SshMachine | None:
        try:
            return cluster.connect_ssh(target, jump=jump, accept_new_host_key=accept_any)
        except HostKeyMismatch as error:
            if cluster.clock.monotonic() < deadline:
                return None
            if not is_new:
                raise
            raise HostKeyMismatch(
                f"{name} does not answer with the host key of its userdata, so its image may have "
                f"ignored it ({error}); choose another image, or use --accept-new-host-keys"
            ) from error

    try:
        return wait_for(look, what=f"SSH on {name}", pace=BOOTING, clock=cluster.clock)
    except WaitTimedOut as error:
        allowed = cluster.allowed_cidrs
        if jump or not allowed:
            raise
        raise WaitTimedOut(
            f"{error}. Only {', '.join(allowed)} may connect: if the address under which others "
            "see this machine is not among them, add it with flows.provision --allow"
        ) from error

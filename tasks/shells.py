"""SSH to a cluster's machines: to the master by its public port, to nodes through the master."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from clients.ssh import SshMachine, SshTarget
from domain.cloud.endpoints import Endpoints
from domain.cloud.records import Instance
from domain.kernel.errors import ClusterError, HostKeyMismatch, TemporaryError, WaitTimedOut
from domain.kernel.names import MASTERS
from domain.kernel.waiting import Pace, wait_for
from domain.node.login import make_own_host_key, use_own_host_key
from domain.secrets.credentials import Credentials
from domain.secrets.hostkeys import fingerprint
from tasks.cluster import Cluster
from tasks.steps import run_logger

BOOTING = Pace(timeout=600, interval=0.2, longest=5.0)
"""How long a machine may take from `running` to the first answer of its SSH server."""

AT_LEAST = 120.0
"""Seconds that a machine gets in any case: it may be restarting."""

MOST_AT_ONCE = 32
"""Logins at the same time, through one jump host."""

CONNECTING = 10.0
"""Seconds that one of many logins may take: a silent machine must not delay the others."""

SETTLING = 60.0
"""Seconds for which a new machine may still present another host key: its image's own, because SSH
started before the userdata was unpacked, or its first one, because SSH has not loaded the next one
yet. Nothing is sent to a machine before its key is right."""


@contextmanager
def open_shell(cluster: Cluster, machine: Instance) -> Iterator[SshMachine]:
    """Log in to a machine whose host key is known; nodes are reached through the master.

    Raises:
        HostKeyMismatch: the machine presents another key than the pinned one.
        WaitTimedOut: it did not answer in time.
    """
    with _open(cluster, cluster.credentials(), machine) as shell:
        yield shell


T = TypeVar("T")

OpenShell = Callable[[Instance], AbstractContextManager[SshMachine]]
"""Logs in to a machine. Raises `ClusterError` when it cannot be reached at the first attempt."""


@contextmanager
def open_shells(cluster: Cluster) -> Iterator[OpenShell]:
    """Log in to the master once, and to many machines through it, from any thread.

    Nothing is waited for, unlike in `open_shell`.

    Yields:
        Opens the shell of a machine.

    Raises:
        ClusterError: no login to the master; the message names it.
        CredentialsMissing, NotFound: the cluster's machines cannot be reached.
    """
    credentials, ssh_endpoints = cluster.credentials(), cluster.ssh_endpoints()
    connect = partial(cluster.connect_ssh, deadline=CONNECTING)
    try:
        master = connect(jump_target(credentials, ssh_endpoints, cluster.bastion))
    except ClusterError as error:
        raise TemporaryError(f"no login to master {ssh_endpoints.jump_host}: {error}") from error

    def open_one(machine: Instance) -> AbstractContextManager[SshMachine]:
        if machine.id == ssh_endpoints.jump_host:
            return nullcontext(master)
        return connect(inner_target(cluster, credentials, ssh_endpoints, machine), jump=master)

    with master:
        yield open_one


def visit_each(
    cluster: Cluster,
    machines: Sequence[Instance],
    visit: Callable[[Cluster, Instance, SshMachine], T],
    unreached: Callable[[Cluster, Instance, str], T],
) -> list[T]:
    """Visit machines, many at once.

    Args:
        unreached: the result of a machine that cannot be reached, or whose visit failed.

    Raises:
        ClusterError: no login to the master; the message names it.
    """
    with open_shells(cluster) as open_shell:

        def go(machine: Instance) -> T:
            try:
                with open_shell(machine) as shell:
                    return visit(cluster, machine, shell)
            except ClusterError as error:
                return unreached(cluster, machine, str(error))

        with ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="visit") as pool:
            return list(pool.map(go, machines))


def pin_host_key(cluster: Cluster, machine: Instance) -> str:
    """Generate a new machine's own host key on it, and pin that. Returns: the pinned key.

    The new key is saved before the machine presents it, so that a run that ends in between can
    continue; once it is pinned, no other key is accepted.
    """
    credentials = cluster.credentials()
    if machine.id in credentials.host_keys:
        return credentials.host_keys[machine.id]
    with _open(cluster, credentials, machine, is_new=True) as shell:
        made = credentials.next_host_keys.get(machine.id)
        # A machine that uses its own key already would make another one, and be lost with it.
        if made is None or shell.host_key != made:
            made = make_own_host_key(shell)
            cluster.update_credentials(lambda now: now.with_made(machine.id, made))
            use_own_host_key(shell)
    # From here on only the new key is accepted; SSH may need a moment to load it.
    pinned = credentials.with_pinned(machine.id, made)
    with _open(cluster, pinned, machine, is_new=True):
        cluster.update_credentials(lambda now: now.with_pinned(machine.id, made))
    run_logger().info("%s: host key %s pinned", machine.id, fingerprint(made))
    return made


def pin_present_host_key(cluster: Cluster, machine: Instance, host_key: str = "") -> str:
    """Pin the host key of a machine that existed before. Returns: the pinned key.

    Args:
        host_key: the only one that is accepted; without it, the one that the machine presents at
            this first login, if the handle accepts new host keys.
    """
    credentials = cluster.credentials()
    if host_key:
        credentials = credentials.with_pinned(machine.id, host_key)
    with _open(cluster, credentials, machine, is_new=not host_key) as shell:
        present = shell.host_key
    cluster.update_credentials(lambda now: now.with_pinned(machine.id, present))
    run_logger().info("%s: host key %s pinned", machine.id, fingerprint(present))
    return present


def jump_target(credentials: Credentials, ssh_endpoints: Endpoints, bastion: str = "") -> SshTarget:
    """The SSH target of the master: its port on the public address, behind a bastion if any."""
    return SshTarget(
        address=ssh_endpoints.public_address,
        port=ssh_endpoints.ssh_port,
        user=ssh_endpoints.user(MASTERS),
        private_key=credentials.ssh.private_key,
        host_keys=credentials.accepted(ssh_endpoints.jump_host),
        bastion=bastion,
    )


def inner_target(
    cluster: Cluster, credentials: Credentials, ssh_endpoints: Endpoints, machine: Instance
) -> SshTarget:
    """The SSH target of a machine behind the jump host."""
    return SshTarget(
        address=machine.private_ip,
        port=22,
        user=ssh_endpoints.user(cluster.group_of(machine)),
        private_key=credentials.ssh.private_key,
        host_keys=credentials.accepted(machine.id),
    )


@contextmanager
def _open(
    cluster: Cluster, credentials: Credentials, machine: Instance, *, is_new: bool = False
) -> Iterator[SshMachine]:
    ssh_endpoints = cluster.ssh_endpoints()
    outer = jump_target(credentials, ssh_endpoints, cluster.bastion)
    log_in = partial(_connect, cluster, credentials)
    if machine.id == ssh_endpoints.jump_host:
        with log_in(machine.id, outer, is_new=is_new) as shell:
            yield shell
        return
    inner = inner_target(cluster, credentials, ssh_endpoints, machine)
    jump = partial(cluster.jump_host.get, outer, partial(log_in, ssh_endpoints.jump_host, outer))
    pace = _pace(cluster, machine)
    with log_in(machine.id, inner, jump, is_new=is_new, pace=pace) as shell:
        yield shell


def _pace(cluster: Cluster, machine: Instance) -> Pace:
    """Wait for SSH no longer than the machine may take to boot: then it counts as broken."""
    age = (datetime.now(UTC) - machine.created_at).total_seconds()
    left = max(AT_LEAST, cluster.patience(cluster.group_of(machine)).boot - age)
    return replace(BOOTING, timeout=min(BOOTING.timeout, left))


def _connect(
    cluster: Cluster,
    credentials: Credentials,
    machine_id: str,
    target: SshTarget,
    jump: Callable[[], SshMachine] | None = None,
    *,
    is_new: bool = False,
    pace: Pace = BOOTING,
) -> SshMachine:
    accept_any = is_new and cluster.accept_new_host_keys
    accept_any = accept_any and machine_id not in credentials.host_keys
    if accept_any:
        target = replace(target, host_keys=())
    deadline = cluster.clock.monotonic() + (SETTLING if is_new else 0)
    name = f"machine {machine_id}"

    def look() -> SshMachine | None:
        through = jump() if jump else None
        try:
            return cluster.connect_ssh(target, jump=through, accept_new_host_key=accept_any)
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
        return wait_for(look, what=f"SSH on {name}", pace=pace, clock=cluster.clock)
    except WaitTimedOut as error:
        allowed = cluster.allowed_cidrs
        if jump or not allowed:
            raise
        raise WaitTimedOut(
            f"{error}. Only {', '.join(allowed)} may connect: if the public address of this "
            "machine is not among them, add it with flows.provision --allow"
        ) from error

"""The Lease by which one evaluator at a time acts on a group."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock

from domain.autoscaling.memory import keeping
from domain.cluster.leases import VALID, Claim, Held, acquire_lease, release_lease, wait_for_lease
from domain.kernel.errors import ClusterError
from tasks.claims import has_gone, this_run
from tasks.cluster import Cluster
from tasks.steps import run_logger
from tasks.threads import in_thread

HOLDER = f"{socket.gethostname()}-{os.getpid()}"
"""The name of this process as a holder."""

_held: set[tuple[str, str]] = set()
_changing = Lock()


@contextmanager
def only_evaluator(
    cluster: Cluster, group: str, on_wait: Callable[[Held], None] | None = None
) -> Iterator[Held | None]:
    """Hold the group's Lease inside the block.

    Blocks of one process may be nested: the outermost releases the Lease.

    Args:
        on_wait: called with the other holder before the wait for its Lease to expire; without it
            there is no wait.

    Yields:
        The other holder, or None when the Lease was acquired.
    """
    key = (cluster.key, group)
    if key in _held:
        yield None
        return
    claim, api = Claim(keeping.memory_name(group), HOLDER, this_run()), cluster.api()
    now = api.read_time()
    if on_wait:
        other = wait_for_lease(api, claim, now, on_wait, is_gone=has_gone)
    else:
        other = acquire_lease(api, claim, now, has_gone)
    if other:
        yield other
        return
    ended = Event()
    renewing = in_thread(_renew, cluster, group, claim, ended)
    with _changing:
        _held.add(key)
    try:
        yield None
    finally:
        ended.set()
        renewing.join()
        with _changing:
            _held.discard(key)
        try:
            with cluster.new_api() as api:
                release_lease(api, claim)
        except ClusterError as error:  # it expires by itself
            run_logger().warning("the lease of %s stays for a minute: %s", group, error)


def _renew(cluster: Cluster, group: str, claim: Claim, ended: Event) -> None:
    """Renew the lease until `ended`; a lease that was lost is acquired again when it is free."""
    key = (cluster.key, group)
    while not ended.wait(VALID.total_seconds() / 3):
        try:
            with cluster.new_api() as api:
                other = acquire_lease(api, claim, api.read_time())
        except ClusterError as error:  # two more attempts follow before it expires
            run_logger().warning("the lease of %s was not renewed: %s", group, error)
            continue
        with _changing:
            if not other:
                _held.add(key)
            elif key in _held:
                run_logger().error("the lease of %s was lost to %s", group, other.holder)
                _held.discard(key)

"""The Lease by which one evaluator at a time acts on a group."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from threading import Event, Lock, Thread
from typing import ParamSpec

from domain.autoscaling.memory import keeping
from domain.cluster.leases import VALID, Claim, Held, acquire_lease, release_lease, wait_for_lease
from domain.kernel.errors import ClusterError
from tasks.cluster import Cluster
from tasks.steps import run_logger

P = ParamSpec("P")

HOLDER = f"{socket.gethostname()}-{os.getpid()}"
"""The name of this process in what it holds."""

_held: set[tuple[str, str]] = set()
_changing = Lock()


@contextmanager
def only_evaluator(
    cluster: Cluster, group: str, waiting: Callable[[Held], None] | None = None
) -> Iterator[Held | None]:
    """Hold the group's Lease meanwhile.

    Inside one process it may be asked for again: the first one gives it back.

    Args:
        waiting: called with the other holder for as long as that gives no sign of life; where it
            is not given, no other holder is waited for.

    Yields:
        The other holder, or None when the Lease was acquired.
    """
    key = (cluster.key, group)
    if key in _held:
        yield None
        return
    claim, now = Claim(keeping.memory_name(group), HOLDER), datetime.now(UTC)
    if waiting:
        other = wait_for_lease(cluster.api(), claim, now, waiting)
    else:
        other = acquire_lease(cluster.api(), claim, now)
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
        except ClusterError as error:  # it ends by itself
            run_logger().warning("the lease of %s stays for a minute: %s", group, error)


def _renew(cluster: Cluster, group: str, claim: Claim, ended: Event) -> None:
    """Renew until the end; a lease that was lost meanwhile is ours again when it is free."""
    key = (cluster.key, group)
    while not ended.wait(VALID.total_seconds() / 3):
        try:
            with cluster.new_api() as api:
                other = acquire_lease(api, claim, datetime.now(UTC))
        except ClusterError as error:  # two more attempts follow before it ends
            run_logger().warning("the lease of %s was not renewed: %s", group, error)
            continue
        with _changing:
            if not other:
                _held.add(key)
            elif key in _held:
                run_logger().error("the lease of %s was lost to %s", group, other.holder)
                _held.discard(key)


def in_thread(function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> Thread:
    """Start a thread that ends with the process, and has the run and the settings of this one."""
    work = partial(copy_context().run, function, *args, **kwargs)
    thread = Thread(target=work, daemon=True)
    thread.start()
    return thread

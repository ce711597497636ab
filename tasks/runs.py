"""One run at a time changes a cluster, from whichever machine.

Three things separate runs, from the nearest to the farthest:

- a file lock, for the runs of one user on one machine; the kernel releases that of a killed process
- a claim on the Prefect server, before the cluster exists and while it does not answer
- a Lease in the cluster, for runs that use different Prefect servers
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from blocks.locks import alone_if_free
from domain.cloud.creating import ACTING
from domain.cluster.claims import Holder, Kept, acquire_claim
from domain.cluster.leases import Claim, acquire_lease, release_lease
from domain.kernel.errors import ClusterError, OtherRun
from tasks.claims import RunClaim, has_gone, this_run
from tasks.cluster import Cluster
from tasks.control_plane import answers
from tasks.lease import HOLDER
from tasks.steps import run_logger
from tasks.threads import in_thread

LEASE = "qingcloud-run"
"""The Lease of the run that changes the cluster."""


@contextmanager
def only_run(cluster: Cluster) -> Iterator[None]:
    """Let one run at a time change a cluster.

    Two runs that begin a cluster at the same moment would each find nothing, and create everything
    twice. The claim of a killed run is waited for until it expires.

    Raises:
        OtherRun: another run is changing it; the message names it.
    """
    with unless_other_run(cluster) as other:
        if other:
            raise OtherRun(_refuse(other))
        yield


@contextmanager
def unless_other_run(cluster: Cluster) -> Iterator[str]:
    """As `only_run`. Yields: a description of the other run, or an empty text without one."""
    with alone_if_free(cluster.run_lock) as free, ExitStack() as stack:
        if not free:
            yield f"another run on this machine is changing cluster {cluster.name}{_name(cluster)}"
            return
        other = stack.enter_context(_claimed(cluster))
        if not other:
            cluster.look_again_unless_fresh()
            other = _hold_lease(cluster)
        yield other


def _name(cluster: Cluster) -> str:
    """Name the run that holds the claim, if it is known."""
    with suppress(ClusterError):
        if found := cluster.claims.find():
            return f": {found.holder.describe()}"
    return ""


@contextmanager
def _claimed(cluster: Cluster) -> Iterator[str]:
    """Hold and renew the claim inside the block. Yields: as `unless_other_run`."""

    def note(killed: Kept) -> None:
        for what in killed.creates:
            cluster.journal.begin(what)  # as if it was sent now: when it was is not known

    ours, report = this_run(), partial(_report_wait, cluster)
    found = acquire_claim(
        cluster.claims, ours, has_gone, report, terms=cluster.terms, on_take_over=note
    )
    if found.holder != ours:
        yield _describe(cluster, found.holder)
        return
    claim = RunClaim(cluster.claims, found, cluster.terms, creates=partial(_creates, cluster))
    in_thread(_renew_claim, claim, _renew_once(claim))  # the first change need not wait for it
    try:
        with cluster.claimed(claim):
            yield ""
    finally:
        claim.ended.set()
        _release(cluster, claim)


def claim_cluster(cluster: Cluster) -> None:
    """Hold the Lease from the moment on at which a new cluster answers. Raises `OtherRun`."""
    if other := _hold_lease(cluster):
        raise OtherRun(_refuse(other))


def _refuse(other: str) -> str:
    return f"{other}; wait for its end, or end it there, then run the same command again"


def _hold_lease(cluster: Cluster) -> str:
    """Hold the Lease of runs as well, if the cluster answers, until the run's claim ends.

    Does nothing in a run without a claim.

    Returns:
        A description of the other run that holds it, or an empty text.
    """
    claim = cluster.claim
    if claim is None or claim.lease or not answers(cluster):
        return ""
    lease = Claim(LEASE, f"{HOLDER}-{claim.holder.token[:8]}", claim.holder)
    api = cluster.api()
    other = acquire_lease(api, lease, api.read_time(), has_gone)
    if other:
        run = other.run.describe() if other.run else other.holder
        return f"{_describe(cluster, run)} ({other.describe(api.read_time())})"
    claim.lease = lease
    in_thread(_renew_lease, cluster, claim)
    return ""


def _creates(cluster: Cluster) -> Iterator[str]:
    """What this run is creating, or an earlier one was: calls that may still act."""
    return (what for what, age in cluster.journal.ages().items() if age < ACTING.timeout)


def _describe(cluster: Cluster, run: Holder | str) -> str:
    words = run if isinstance(run, str) else run.describe()
    return f"cluster {cluster.name} is being changed by {words}"


def _report_wait(cluster: Cluster, other: Holder) -> None:
    run_logger().warning(
        "%s; waiting at most %.0f s to see whether that run still lives",
        _describe(cluster, other),
        cluster.terms.valid,
    )


def _renew_claim(claim: RunClaim, pause: float) -> None:
    """Renew the claim until it has ended."""
    while not claim.ended.wait(pause):
        pause = _renew_once(claim)


def _renew_once(claim: RunClaim) -> float:
    """Renew the claim. Returns: seconds until the next renewal, fewer after an error."""
    try:
        claim.renew()
    except Exception as error:  # whatever it is, the next attempt may succeed
        run_logger().warning("the claim of this run was not renewed: %s", error)
        return claim.terms.renew / 5
    return claim.terms.renew


def _renew_lease(cluster: Cluster, claim: RunClaim) -> None:
    """Renew the Lease until it is released; a cluster that does not answer is no reason to stop."""
    while not claim.ended.wait(claim.terms.renew):
        with claim.leasing:
            if claim.ended.is_set() or claim.lease is None:
                return
            try:
                api = cluster.api()
                other = acquire_lease(api, claim.lease, api.read_time())
                if other:
                    claim.lose(other.describe(api.read_time()))
            except Exception as error:
                run_logger().info("the Lease %s was not renewed: %s", LEASE, error)


def _release(cluster: Cluster, claim: RunClaim) -> None:
    """Release Lease and claim; what cannot be released expires by itself."""
    try:
        # After a teardown there are no credentials, and nothing answers any more.
        with claim.leasing:
            if claim.lease and cluster.find_credentials():
                release_lease(cluster.api(), claim.lease)
    except ClusterError as error:
        run_logger().info("the Lease %s expires in a minute: %s", LEASE, error)
    try:
        claim.release()
    except ClusterError as error:
        run_logger().warning("the claim of cluster %s expires in a minute: %s", cluster.name, error)

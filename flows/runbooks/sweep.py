"""The runbook that deletes what belongs to no living cluster of an account."""

from dataclasses import replace

from domain.kernel.errors import ClusterError, LeftoversFound
from flows.runbooks.teardown import teardown
from tasks.cluster import Cluster
from tasks.executors import Steps
from tasks.sweep import Leftovers, Opened, remove_orphans


def sweep(
    steps: Steps, cluster: Cluster, found: Leftovers, open_dead: Opened, *, volumes: bool = False
) -> None:
    """Tear down dead clusters, and delete what add-ons have left. One failure stops no other.

    Args:
        cluster: the handle whose client of the cloud is used.
        open_dead: opens a dead cluster for a change; no other run may change it meanwhile.
        volumes: whether to delete volumes that no machine uses.

    Raises:
        LeftoversFound: names what could not be deleted, and why.
    """
    failures = []
    for name in found.clusters.dead:
        try:
            with open_dead(name) as dead:
                teardown(steps, dead)
        except ClusterError as error:
            failures.append(f"cluster {name}: {error}")
    orphans = found.orphans
    if not orphans.silent:
        doubtful = orphans.doubtful if volumes else ()
        try:
            steps.run(remove_orphans, cluster, replace(orphans.sure, volumes=doubtful))
        except ClusterError as error:
            failures.append(f"what add-ons have left: {error}")
    if failures:
        raise LeftoversFound("; ".join(failures))

"""The runbook that restores a cluster's objects from an opened backup."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from domain.kernel.errors import ClusterError
from flows.runbooks.provision import provision
from tasks.cluster import Cluster
from tasks.control_plane import wait_for_apiserver
from tasks.executors import Steps
from tasks.restores import (
    Opened,
    go_back,
    mark_masters,
    prepare_etcd,
    put_kept_back,
    read_kept,
    restart_kubelets,
    separate_from_source,
    start_control_planes,
    stop_control_planes,
    swap_etcd,
)
from tasks.steps import Step


def restore(steps: Steps, cluster: Cluster, opened: Opened) -> None:
    """Replace the objects of a cluster that answers by those of a backup.

    Machines, addresses and the description stay as they are now. The new data are made and checked
    beside those in use; an error after that brings the earlier data back.

    Args:
        cluster: the handle, with the stored description.
    """
    cluster = cluster.at(cluster.ssh_endpoints())
    kept = steps.run(read_kept, cluster)
    steps.run(prepare_etcd, cluster, opened)
    with _instead(steps, cluster, start_control_planes):
        steps.run(stop_control_planes, cluster)
    with _instead(steps, cluster, go_back):
        steps.run(swap_etcd, cluster, opened.facts)
        steps.run(start_control_planes, cluster)
        steps.run(wait_for_apiserver, cluster)
    if opened.label.key != cluster.key:
        steps.run(separate_from_source, cluster)
    steps.run(put_kept_back, cluster, kept)
    steps.run(restart_kubelets, cluster)
    steps.run(mark_masters, cluster)
    # Nodes that the backup does not know join again; those of machines that are gone are deleted.
    provision(steps, cluster, is_stored=True, demo=False, ui=False, keeps_addons=True)


@contextmanager
def _instead(steps: Steps, cluster: Cluster, mend: Step[[Cluster], None]) -> Iterator[None]:
    """Run a step that lets the earlier data serve when the block fails; its reason is raised."""
    try:
        yield
    except ClusterError:
        with suppress(ClusterError):  # the step reports it
            steps.run(mend, cluster)
        raise

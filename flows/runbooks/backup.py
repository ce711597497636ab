"""The runbook that backs a cluster up."""

from blocks.folders import private_folder
from domain.backup.labels import Label
from tasks.backups import (
    Place,
    check_store,
    delete_old,
    fetch_snapshot,
    read_facts,
    store_backup,
)
from tasks.cluster import Cluster
from tasks.etcd import snapshot_etcd
from tasks.executors import Steps
from tasks.masters import serving_masters


def back_up(steps: Steps, cluster: Cluster, place: Place) -> Label:
    """Take a snapshot of etcd, seal it with all that a restore needs, and store it.

    What is not sealed yet is in a folder of this machine that only its user can read, and that is
    deleted at the end; after a kill, by the next run.

    Args:
        cluster: the handle, with the stored description.
    """
    steps.run(check_store, cluster, place)
    master = serving_masters(cluster)[0]
    with private_folder("backup") as folder:
        snapshot = steps.run(snapshot_etcd, cluster, master, "backup")
        file = steps.run(fetch_snapshot, cluster, master, snapshot, folder)
        facts = steps.run(read_facts, cluster, master)
        label = steps.run(store_backup, cluster, place, snapshot, file, facts)
    steps.run(delete_old, cluster, place, cluster.spec.backup, label)
    return label

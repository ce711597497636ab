"""Steps about etcd on the masters."""

from domain.cloud.records import Instance
from domain.kernel.ensured import Ensured
from domain.node.snapshots import EtcdSnapshot, save_snapshot
from tasks.cluster import Cluster
from tasks.shells import open_shell
from tasks.steps import step


@step("snapshot of etcd on {master.id}")
def snapshot_etcd(cluster: Cluster, master: Instance, version: str) -> Ensured[EtcdSnapshot]:
    """Keep a snapshot on a master, from before a change of this version of Kubernetes."""
    with open_shell(cluster, master) as shell:
        made = save_snapshot(shell, f"etcd-of-{version}")
    return Ensured(made, f"{made.path}, {made.keys} keys, {made.size / 2**20:.1f} MiB")

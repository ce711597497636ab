"""Back a cluster up: `python -m flows.backup`."""

from prefect import flow

from blocks.accounts import QingCloudAccount
from blocks.backups import open_backups
from domain.backup.labels import Label
from domain.backup.store import read_labels
from domain.spec.cluster import ClusterName
from flows._cli.command import cluster_name, run, session
from flows._cli.flags.backup import Flags, app
from flows._cli.parsing import parse
from flows._cli.terminal import show_backups
from flows.runbooks.backup import back_up
from tasks.approval import is_deployed
from tasks.backups import Place
from tasks.cluster import open_cluster
from tasks.executors import PrefectSteps
from tasks.overview import need_cluster, need_spec
from tasks.run_log import keep_log_short
from tasks.steps import run_logger
from tasks.tables import publish_backups


@flow(name="backup", flow_run_name="backup {name}", on_running=[keep_log_short])
def backup(account: QingCloudAccount, name: ClusterName = "demo", store: str = "") -> Label | None:
    """Back up etcd, the control plane's keys, the description and the credentials, sealed.

    Old backups are deleted as the description says.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
        store: A Backup Store block, or a folder; if empty, that of the description.

    Returns:
        What is in it; nothing where a deployment's run finds no store described.
    """
    with open_cluster(account, name) as cluster:
        need_cluster(cluster)
        spec = need_spec(cluster)
        wanted = store or spec.backup.store
        if not wanted and is_deployed():
            run_logger().info("no backup: the description of %s names no backup.store", name)
            return None
        place = Place(*open_backups(wanted))
        made = back_up(PrefectSteps(), cluster.wanting(spec), place)
        publish_backups(read_labels(place.store, f"{cluster.key}-"), cluster.key)
        return made


def main(flags: Flags) -> None:
    """Back up etcd with all that a restore needs, sealed with a pass phrase."""
    name = cluster_name(flags.common)
    with session(flags.common, name) as opened:
        if flags.list_:
            wanted = flags.store or need_spec(opened.cluster).backup.store
            place = Place(*open_backups(wanted))
            found = read_labels(place.store, f"{opened.cluster.key}-")
            opened.print_line(f"{len(found)} backups of cluster {name} in {place.store.where}")
            show_backups(found)
            opened.print_result(found)
            return
        made = backup(opened.account, name, flags.store)
    if made:
        show_backups([made])
    opened.print_result(made)


if __name__ == "__main__":
    run(main, parse(app))

"""Show the state of a cluster: `python -m flows.status`."""

from dataclasses import replace
from datetime import UTC, datetime

from prefect import flow

from blocks.accounts import QingCloudAccount
from domain.kernel.errors import CredentialsMissing
from domain.reports.cluster import ClusterReport
from domain.reports.overview import with_metrics
from flows._cli.command import cluster_name, run, session
from flows._cli.flags.status import Flags, app
from flows._cli.parsing import parse
from flows._cli.terminal import show_report
from tasks.alarms import read_active
from tasks.cluster import open_cluster
from tasks.metrics import recent_samples
from tasks.overview import need_cluster, read_status
from tasks.run_log import keep_log_short


@flow(name="status", flow_run_name="status {name}", on_running=[keep_log_short])
def status(account: QingCloudAccount, name: str = "demo") -> ClusterReport:
    """Read a cluster and report it; changes nothing.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
    """
    with open_cluster(account, name) as cluster:
        need_cluster(cluster)
        report = read_status(cluster)
        samples = recent_samples(cluster.id, datetime.now(UTC))
        alarms = read_active(cluster.id) if samples else None
        return replace(with_metrics(report, samples), alarms=alarms)


def main(flags: Flags) -> None:
    """Show the state of a cluster: its machines, its nodes, its API and its UI."""
    name = cluster_name(flags.common)
    with session(flags.common, name) as opened:
        report = status(opened.account, name)
    show_report(report)
    opened.print_result(report)
    if report.trouble:
        raise CredentialsMissing(report.trouble)


if __name__ == "__main__":
    run(main, parse(app))

"""Check whether a cluster is well: `python -m flows.check`."""

from datetime import UTC, datetime

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.health.findings import HealthReport, Unwell
from domain.spec.cluster import ClusterName
from flows._cli.command import cluster_name, run, session
from flows._cli.flags.check import Flags, app
from flows._cli.parsing import parse
from flows._cli.terminal import show_health
from flows.runbooks.check import check_cluster
from tasks.cluster import open_cluster
from tasks.executors import PrefectSteps
from tasks.overview import need_cluster, spec_or_guess
from tasks.run_log import keep_log_short
from tasks.tables import publish_health


@flow(
    name="check",
    flow_run_name="check {name}",
    on_running=[keep_log_short],
    task_runner=ThreadPoolTaskRunner(max_workers=8),  # type: ignore[arg-type]
)
def check(account: QingCloudAccount, name: ClusterName = "demo") -> HealthReport:
    """Check a cluster's nodes, control plane, etcd, DNS, network, certificates and more.

    Changes nothing.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.

    Raises:
        Unwell: something is in trouble; it carries the report.
    """
    with open_cluster(account, name) as cluster:
        need_cluster(cluster)
        cluster.check_not_ending()
        cluster = cluster.wanting(spec_or_guess(cluster))
        report = check_cluster(PrefectSteps(), cluster, datetime.now(UTC))
        publish_health(report, cluster.key)
    if report.troubles:
        raise Unwell(report)
    return report


def main(flags: Flags) -> None:
    """Check nodes, control plane, etcd, DNS, network, certificates, alarms, quotas and drift."""
    name = cluster_name(flags.common)
    unwell: Unwell | None = None
    with session(flags.common, name) as opened:
        try:
            report = check(opened.account, name)
        except Unwell as error:
            report, unwell = error.report, error
    show_health(report)
    opened.print_result(report)
    if unwell:
        raise unwell


if __name__ == "__main__":
    run(main, parse(app))

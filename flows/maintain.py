"""Renew certificates in time: `python -m flows.maintain`."""

from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import flow

from blocks.accounts import QingCloudAccount
from domain.cloud.plan import Plan
from domain.node.certificates import describe_ends
from domain.spec.cluster import ClusterName
from flows._cli.command import cluster_name, run, session
from flows._cli.flags.maintain import Flags, app
from flows._cli.parsing import parse
from flows._cli.terminal import show_plan
from flows.runbooks.maintain import renew as renew_all
from tasks.cases import read_input
from tasks.certificates import Renewals, find_renewals
from tasks.cluster import Cluster, open_cluster
from tasks.executors import PrefectSteps
from tasks.run_log import keep_log_short
from tasks.runs import unless_other_run
from tasks.steps import run_logger


@flow(name="maintain", flow_run_name="maintain {name}", on_running=[keep_log_short])
def maintain(
    account: QingCloudAccount, name: ClusterName = "demo", renew: tuple[str, ...] = ()
) -> Plan:
    """Renew the certificates of the masters that end within 45 days, and bring them into use.

    Meant for a schedule: without a certificate that ends soon it only looks, and while another run
    changes the cluster it does nothing. The control plane restarts part by part, one master after
    the other. The cluster's authorities are not rotated.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
        renew: Renew these now, by kubeadm's names; `all` for each of them.

    Returns:
        What was renewed.
    """
    with open_cluster(account, name) as cluster:
        found = _find(cluster, renew)
        for line in describe_ends(found.known, datetime.now(UTC)):
            run_logger().info("%s", line)
        if not found.masters:
            return found.plan()
        with unless_other_run(cluster) as other:
            if other:
                run_logger().warning("nothing is renewed now: %s", other)
                return Plan(name, ())
            cluster.look_again()
            found = _find(cluster, renew)
            renew_all(PrefectSteps(), cluster, found)
        return found.plan()


def _find(cluster: Cluster, renew: Sequence[str]) -> Renewals:
    found = read_input(cluster)
    return find_renewals(found.cluster, found.machines, renew)


def main(flags: Flags) -> None:
    """Show which certificates end soon, and renew them after a yes."""
    name, asked = cluster_name(flags.common), tuple(flags.renew or ())
    with session(flags.common, name) as opened:
        found = _find(opened.cluster, asked)
        planned = found.plan()
        for line in describe_ends(found.known, datetime.now(UTC)):
            opened.print_line(line[0].upper() + line[1:])
        if not planned.items:
            opened.print_line("None is renewed")
        elif flags.plan:
            show_plan(planned)
        if flags.plan or not planned.items:
            opened.print_result(planned)
            return
        opened.confirm(planned, "Renew these certificates?", yes=flags.yes)
        done = maintain(opened.account, name, asked)
    opened.print_result(done)


if __name__ == "__main__":
    run(main, parse(app))

"""Bring a cluster to another version of Kubernetes: `python -m flows.upgrade`."""

from typing import Annotated

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from blocks.accounts import QingCloudAccount
from domain.cloud.plan import Plan
from domain.spec.cluster import ClusterName
from domain.spec.part import Switch, Whole
from flows._cli.command import (
    cluster_name,
    report_billed,
    reporting,
    run,
    session,
)
from flows._cli.flags.rollout import SHARE
from flows._cli.flags.upgrade import Flags, app
from flows._cli.parsing import parse
from flows.runbooks.nodes import MOST_AT_ONCE
from flows.runbooks.upgrade import upgrade as upgrade_cluster
from tasks.approval import approve
from tasks.cases import read_input
from tasks.cluster import Cluster, open_cluster
from tasks.executors import PrefectSteps
from tasks.run_log import keep_log_short
from tasks.runs import only_run
from tasks.upgrades import Upgrade, find_upgrade


@flow(
    name="upgrade",
    flow_run_name="upgrade {name} to {version}",
    on_running=[keep_log_short],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def upgrade(
    account: QingCloudAccount,
    version: str = "",
    name: ClusterName = "demo",
    share: Annotated[Whole, Field(ge=1, le=100)] = SHARE,
    replace: Switch = False,
    force: Switch = False,
) -> Plan:
    """Bring a cluster to a newer patch or to the next minor version of Kubernetes.

    A snapshot of etcd comes first, then the masters one by one, then the nodes: one, then a share
    of each group at a time, each emptied within the disruption budgets. When the cluster is not
    well after a step, the run ends there; the same run again continues.

    Args:
        account: The account that the cluster is in.
        version: The wanted version with its patch, such as 1.36.4.
        name: The cluster's name.
        share: Nodes of a group at a time, in percent; at least one.
        replace: Replace the nodes by new machines, instead of an upgrade in place.
        force: Also where clients use APIs that the version does not serve any more.

    Returns:
        What was done.
    """

    def find(cluster: Cluster) -> Upgrade:
        return find_upgrade(read_input(cluster), version, share, replace=replace, force=force)

    with open_cluster(account, name) as cluster:
        approve(cluster, lambda: find(cluster).plan())
        with only_run(cluster):
            cluster.look_again()
            planned = find(cluster)
            plan = planned.plan()
            upgrade_cluster(PrefectSteps(), planned)
    return plan


def main(flags: Flags) -> None:
    """Show what an upgrade does, and do it after a yes."""
    name = cluster_name(flags.common)
    with session(flags.common, name) as opened:
        found = read_input(opened.cluster)
        planned = find_upgrade(
            found, flags.version, flags.share, replace=flags.replace, force=flags.force
        ).plan()
        nothing = f"Cluster {name} runs Kubernetes {flags.version} already"
        if not opened.settle(
            planned,
            f"Upgrade cluster {name} to {flags.version}?",
            nothing=nothing,
            only_plan=flags.plan,
            yes=flags.yes,
        ):
            return
        with reporting(lambda: report_billed(opened)):
            done = upgrade(
                opened.account, flags.version, name, flags.share, flags.replace, flags.force
            )
        if done.changes:
            opened.print_line(f"Cluster {name} runs Kubernetes {flags.version}")
    opened.print_result(done)


if __name__ == "__main__":
    run(main, parse(app))

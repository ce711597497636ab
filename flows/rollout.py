"""Bring changed templates to the machines: `python -m flows.rollout`."""

from typing import Annotated

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from blocks.accounts import QingCloudAccount
from domain.cloud.plan import Action, Plan
from domain.kernel.texts import count_machines
from domain.spec.cluster import ClusterName
from domain.spec.part import Whole
from flows._cli.command import (
    cluster_name,
    report_billed,
    reporting,
    run,
    session,
)
from flows._cli.flags.rollout import SHARE, Flags, app
from flows._cli.parsing import parse
from flows.runbooks.nodes import MOST_AT_ONCE
from flows.runbooks.rollout import roll_out
from tasks.approval import approve
from tasks.cases import read_input
from tasks.cluster import open_cluster
from tasks.executors import PrefectSteps
from tasks.rollouts import find_rollouts
from tasks.run_log import keep_log_short
from tasks.runs import only_run


@flow(
    name="rollout",
    flow_run_name="rollout {name} {group}",
    on_running=[keep_log_short],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def rollout(
    account: QingCloudAccount,
    name: ClusterName = "demo",
    group: str = "",
    share: Annotated[Whole, Field(ge=1, le=100)] = SHARE,
) -> Plan:
    """Replace the machines that differ from their group's template in image, type or disk.

    New machines come first: one canary, then a share of the group at a time. Each old node is
    emptied within the disruption budgets before its machine is terminated. When a new machine does
    not become a node, or the cluster is not well after a step, the run ends there; the same run
    again continues.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
        group: Only this group of nodes; all if not given.
        share: Machines of a group that are replaced at a time, in percent; at least one.

    Returns:
        What was done, and which machines stay as they are.
    """
    with open_cluster(account, name) as cluster:
        approve(cluster, lambda: find_rollouts(read_input(cluster), group, share).plan())
        with only_run(cluster):
            cluster.look_again()
            rollouts = find_rollouts(read_input(cluster), group, share)
            plan = rollouts.plan()
            roll_out(PrefectSteps(), rollouts)
    return plan


def main(flags: Flags) -> None:
    """Show which machines differ from their template, and replace them after a yes."""
    name = cluster_name(flags.common)
    with session(flags.common, name) as opened:
        planned = find_rollouts(read_input(opened.cluster), flags.group, flags.share).plan()
        nothing = f"All machines of cluster {name} are as their templates want them"
        if not opened.settle(
            planned, "Replace these machines?", nothing=nothing, only_plan=flags.plan, yes=flags.yes
        ):
            return
        with reporting(lambda: report_billed(opened)):
            done = rollout(opened.account, name, flags.group, flags.share)
        new = sum(item.count for item in done.changes if item.action is Action.CREATE)
        opened.print_line(f"{count_machines(new)} of cluster {name} replaced")
    opened.print_result(done)


if __name__ == "__main__":
    run(main, parse(app))

"""Replace broken machines: `python -m flows.repair`."""

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.cloud.plan import Action, Plan
from domain.kernel.errors import StillBroken
from domain.kernel.texts import count_machines
from domain.spec.cluster import ClusterName
from domain.spec.part import Switch
from flows._cli.command import (
    cluster_name,
    report_billed,
    reporting,
    run,
    session,
)
from flows._cli.flags.repair import Flags, app
from flows._cli.parsing import parse
from flows.runbooks.nodes import MOST_AT_ONCE
from flows.runbooks.repair import repair_groups
from tasks.approval import approve
from tasks.cases import read_input
from tasks.cluster import open_cluster
from tasks.executors import PrefectSteps
from tasks.repairs import describe_staying, find_repairs
from tasks.run_log import keep_log_short
from tasks.runs import only_run


@flow(
    name="repair",
    flow_run_name="repair {name}",
    on_running=[keep_log_short],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def repair(
    account: QingCloudAccount, name: ClusterName = "demo", group: str = "", force: Switch = False
) -> Plan:
    """Replace the broken machines of a cluster's nodes, and name what stays broken.

    Broken is what is stopped, suspended, NotReady for long, or has not become a node in its time.
    Machines that are missing are added, too, so that the same run again finishes one that was cut
    off.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
        group: Only this group of nodes; all if not given.
        force: Also where so many are broken at once that the machines are hardly the cause.

    Returns:
        What was done, and what stays.

    Raises:
        StillBroken: something that is broken stays; everything else was replaced before.
    """
    with open_cluster(account, name) as cluster:
        approve(cluster, lambda: find_repairs(read_input(cluster), group, force=force).plan())
        with only_run(cluster):
            cluster.look_again()
            repairs = find_repairs(read_input(cluster), group, force=force)
            plan = repairs.plan()
            repair_groups(PrefectSteps(), repairs)
        if repairs.staying:
            raise StillBroken(describe_staying(repairs.staying))
    return plan


def main(flags: Flags) -> None:
    """Show which machines are broken, and replace them after a yes."""
    name = cluster_name(flags.common)
    with session(flags.common, name) as opened:
        planned = find_repairs(read_input(opened.cluster), flags.group, force=flags.force).plan()
        nothing = f"No machine of cluster {name} is broken or missing"
        if not opened.settle(
            planned, "Replace these machines?", nothing=nothing, only_plan=flags.plan, yes=flags.yes
        ):
            return
        with reporting(lambda: report_billed(opened)):
            done = repair(opened.account, name, flags.group, flags.force)
        gone = sum(item.action is Action.DELETE for item in done.changes)
        new = sum(item.count for item in done.changes if item.action is Action.CREATE)
        opened.print_line(f"{count_machines(gone)} of cluster {name} removed, {new} added")
    opened.print_result(done)


if __name__ == "__main__":
    run(main, parse(app))

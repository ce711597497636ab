"""Delete a cluster and everything that belongs to it: `python -m flows.teardown`."""

from functools import partial

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.cloud.foreign import Surroundings, refuse_foreign
from domain.cloud.plan import Action, Plan
from domain.cloud.planning import plan_teardown
from domain.observe.cost import price_plan
from domain.spec.cluster import ClusterName
from domain.spec.part import Switch
from flows._cli.command import (
    cluster_name,
    report_billed,
    reporting,
    run,
    session,
)
from flows._cli.flags.teardown import Flags, app
from flows._cli.parsing import parse
from flows._cli.terminal import show_plan
from flows.runbooks.nodes import MOST_AT_ONCE
from flows.runbooks.teardown import teardown as tear_down
from tasks.approval import approve
from tasks.backups import forget_last
from tasks.cluster import Cluster, open_cluster
from tasks.endpoints import delete_endpoints
from tasks.executors import PrefectSteps
from tasks.overview import spec_or_guess
from tasks.run_log import keep_log_short
from tasks.runs import only_run
from tasks.teardown import look_around


@flow(
    name="teardown",
    flow_run_name="teardown {name}",
    on_running=[keep_log_short],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def teardown(
    account: QingCloudAccount,
    name: ClusterName = "demo",
    keep_addons: Switch = False,
    leave_foreign: Switch = False,
) -> Plan:
    """Delete every resource with the cluster's names, and what its add-ons have made.

    It needs no credentials of the cluster, and is safe to run again after an interruption.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
        keep_addons: Keep the load balancers, addresses and volumes of Services and claims.
        leave_foreign: If the network holds foreign resources, keep what they use, and delete
            everything else; without it, nothing is deleted then.

    Returns:
        The plan of what was deleted, and what stays.
    """
    with open_cluster(account, name) as cluster:
        look = partial(look_around, cluster, keeps_addons=keep_addons)
        approve(cluster, lambda: priced(cluster, look()))
        with only_run(cluster):
            done = tear_down(
                PrefectSteps(), cluster, keep_addons=keep_addons, leave_foreign=leave_foreign
            )
        delete_endpoints(cluster)
        forget_last(cluster.key)
    return done


def priced(cluster: Cluster, around: Surroundings) -> Plan:
    """What a teardown would delete, with its prices."""
    seen = cluster.inventory()
    planned = plan_teardown(seen, around)
    if not planned.items:
        return planned
    return price_plan(planned, seen, spec_or_guess(cluster), around.addons)


def main(flags: Flags) -> None:
    """Delete a cluster: its machines, its network, its addresses, its credentials."""
    name = cluster_name(flags.common)
    with session(flags.common, name) as opened:
        cluster = opened.cluster
        look = partial(look_around, cluster, keeps_addons=flags.keep_addons)
        seen, around = cluster.inventory(), look()
        planned = priced(cluster, around)
        is_refused = bool(around.foreign) and not flags.leave_foreign
        if flags.plan or is_refused:
            show_plan(planned)
            opened.print_result(planned)
            if is_refused:
                refuse_foreign(seen, around)
            return
        if planned.changes:
            opened.confirm(planned, f"Delete cluster {name} for good?", yes=flags.yes)
        with reporting(lambda: report_billed(opened, look)):
            done = teardown(opened.account, name, flags.keep_addons, flags.leave_foreign)
    opened.print_line(f"Cluster {name}: {summarise_end(done)}")
    opened.print_result(done)


def summarise_end(done: Plan) -> str:
    """What was deleted, and what is left with the reason: `11 resources deleted, 0 left`."""
    left = [item for item in done.items if item.action is Action.KEEP]
    words = f"{len(done.changes)} resources deleted, {len(left)} left"
    named = "; ".join(f"{item.kind} {item.id}: {item.reason}" for item in left)
    return f"{words} ({named})" if named else words


if __name__ == "__main__":
    run(main, parse(app))

"""Find and delete what belongs to no living cluster: `python -m flows.sweep`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from prefect import flow
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.cloud.plan import Action, Plan
from domain.spec.part import Switch
from flows._cli.command import cluster_name, run, session
from flows._cli.flags.sweep import Flags, app
from flows._cli.parsing import parse
from flows._cli.terminal import show_leftovers
from flows.runbooks.nodes import MOST_AT_ONCE
from flows.runbooks.sweep import sweep as delete_all
from tasks.approval import approve
from tasks.cluster import Cluster, open_cluster
from tasks.endpoints import delete_endpoints
from tasks.executors import PrefectSteps
from tasks.run_log import keep_log_short
from tasks.runs import only_run
from tasks.steps import run_logger
from tasks.sweep import find_leftovers
from tasks.tables import publish_plan

ANY = "demo"
"""The account is swept through the handle of a cluster, which need not exist."""


def _run_name() -> str:
    given = flow_run.parameters
    return f"sweep {given['account'].zone}{', delete' if given['delete'] else ''}"


@flow(
    name="sweep",
    flow_run_name=_run_name,
    on_running=[keep_log_short],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def sweep(account: QingCloudAccount, delete: Switch = False, volumes: Switch = False) -> Plan:
    """Find what belongs to no living cluster of the account, and delete it on request.

    A cluster lives while it has a router and a master. What is younger than an hour is left alone.

    Args:
        account: The account; its zone is swept.
        delete: Delete what is found; without it, it is only listed.
        volumes: Volumes of claims that no machine uses, too: they may hold data that is wanted.

    Returns:
        What is left over; after a deletion, what was deleted and what stays.

    Raises:
        LeftoversFound: something could not be deleted.
    """
    with open_cluster(account, ANY) as cluster:
        open_other = partial(open_cluster, account)
        found = find_leftovers(cluster, open_other, datetime.now(UTC), volumes=volumes)
        publish_plan(found.plan, cluster.key)
        for item in found.plan.changes:
            run_logger().warning("%s %s: %s", item.kind, item.id, item.reason)
        if delete and found.plan.changes:
            approve(cluster, lambda: found.plan)
            delete_all(PrefectSteps(), cluster, found, partial(_alone, account), volumes=volumes)
    return found.plan


@contextmanager
def _alone(account: QingCloudAccount, name: str) -> Iterator[Cluster]:
    """Open a cluster that no other run changes meanwhile, and drop its endpoints afterwards."""
    with open_cluster(account, name) as cluster, only_run(cluster):
        yield cluster
        delete_endpoints(cluster)


def main(flags: Flags) -> None:
    """List the leftovers of all clusters with their cost a day, and delete them after a yes."""
    with session(flags.common, cluster_name(flags.common)) as opened:
        found = sweep(opened.account, volumes=flags.volumes)
        show_leftovers(found)
        if found.changes and not flags.plan:
            opened.agree("Delete all of this for good?", yes=flags.yes)
            found = sweep(opened.account, delete=True, volumes=flags.volumes)
            left = [item for item in found.items if item.action is Action.KEEP]
            opened.print_line(f"{len(found.changes)} resources deleted, {len(left)} left.")
    opened.print_result(found)


if __name__ == "__main__":
    run(main, parse(app))

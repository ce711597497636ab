"""Delete a cluster and everything that belongs to it: `python -m flows.teardown`."""

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.cloud.plan import Plan
from domain.cloud.planning import plan_teardown
from domain.observe.cost import price_plan
from flows._cli.command import (
    YES,
    Common,
    cluster_name,
    make_app,
    report_billed,
    reporting,
    run,
    session,
)
from flows.runbooks.nodes import MOST_AT_ONCE
from flows.runbooks.teardown import teardown as tear_down
from tasks.cluster import open_cluster
from tasks.endpoints import delete_endpoints
from tasks.executors import PrefectSteps
from tasks.overview import spec_or_guess
from tasks.run_log import log_errors_in_one_sentence
from tasks.runs import only_run


@flow(
    name="teardown",
    flow_run_name="teardown {name}",
    on_running=[log_errors_in_one_sentence],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def teardown(account: QingCloudAccount, name: str = "demo") -> Plan:
    """Delete every resource with the cluster's names. Returns: the plan of what was deleted.

    It needs no credentials of the cluster, and is safe to run again after an interruption.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
    """
    with open_cluster(account, name) as cluster, only_run(cluster):
        planned = plan_teardown(cluster.inventory())
        tear_down(PrefectSteps(), cluster)
        delete_endpoints(cluster)
    return planned


app = make_app("teardown", "Delete a cluster and everything that belongs to it.")


@app.default
def main(*, yes: YES = False, common: Common = Common()) -> None:  # noqa: B008 - frozen
    """Delete a cluster: its machines, its network, its addresses, its credentials."""
    name = cluster_name(common)
    with session(common, name) as opened:
        seen = opened.cluster.inventory()
        planned = plan_teardown(seen)
        if planned.items:
            planned = price_plan(planned, seen, spec_or_guess(opened.cluster))
            opened.confirm(planned, f"Delete cluster {name} for good?", yes=yes)
        with reporting(lambda: report_billed(opened)):
            done = teardown(opened.account, name)
    opened.print_line(f"Cluster {name}: {len(done.items)} resources deleted.")
    opened.print_result(done)


if __name__ == "__main__":
    run(app)

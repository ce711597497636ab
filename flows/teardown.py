"""Take a cluster down and leave nothing behind: `python -m flows.teardown`."""

from datetime import UTC, datetime
from functools import partial

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.cloud.inventory import Inventory
from domain.cloud.plan import Plan
from domain.cloud.planning import plan_teardown
from domain.cloud.teardown import sweep_until_gone
from domain.observe.cost import price_plan
from flows._command import YES, Common, cluster_name, make_app, run, session, tell_billed, telling
from flows._nodes import MOST_AT_ONCE
from flows._run_log import tell_errors_in_one_sentence
from tasks.alarms import close_history
from tasks.credentials import announce_end, only_run
from tasks.overview import read_view, spec_or_guess
from tasks.teardown import (
    forget_credentials,
    remove_address,
    remove_balancer,
    remove_leftovers,
    remove_machines,
    remove_network,
)


@flow(
    name="teardown",
    flow_run_name="teardown {name}",
    on_running=[tell_errors_in_one_sentence],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def teardown(account: QingCloudAccount, name: str = "demo") -> Plan:
    """Delete everything that carries the cluster's names, for good; answers what there was.

    It needs no credentials of the cluster, and is safe to run again after an interruption.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
    """
    with only_run(account, name):
        announce_end(account, name)
        view = read_view(account, name)
        planned = plan_teardown(view)
        sweep_until_gone(
            view, sweep=partial(sweep, account), look=partial(read_view, account, name)
        )
        forget_credentials(account, name)
        close_history(name, datetime.now(UTC))
    return planned


def sweep(account: QingCloudAccount, view: Inventory) -> None:
    """Delete all that was seen, in the order in which the cloud lets go of it."""
    machines = remove_machines.submit(account, view)
    balancer = remove_balancer.submit(account, view)
    machines.result()
    balancer.result()
    remove_network(account, view)
    address = remove_address.submit(account, view)
    remove_leftovers(account, view)
    address.result()


app = make_app("teardown", "Delete a cluster and everything that belongs to it.")


@app.default
def main(*, yes: YES = False, common: Common = Common()) -> None:  # noqa: B008 - frozen
    """Delete a cluster: its machines, its network, its addresses, its credentials."""
    name = cluster_name(common)
    with session(common) as opened:
        view = read_view(opened.account, name)
        planned = plan_teardown(view)
        if planned.items:
            planned = price_plan(planned, view, spec_or_guess(opened.account, view))
            opened.agree(planned, f"Delete cluster {name} for good?", yes=yes)
        with telling(lambda: tell_billed(opened, name)):
            done = teardown(opened.account, name)
    opened.say(f"Cluster {name}: {len(done.items)} resources deleted.")
    opened.answer(done)


if __name__ == "__main__":
    run(app)

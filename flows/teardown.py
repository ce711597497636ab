"""Take a cluster down and leave nothing behind: `python -m flows.teardown`."""

from datetime import UTC, datetime

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.cost import price_plan
from domain.errors import FinalError
from domain.plan import Plan
from domain.planning import plan_teardown
from domain.view import ClusterView
from flows._command import YES, Common, cluster_name, make_app, run, session
from flows._nodes import MOST_AT_ONCE
from tasks.alarms import close_history
from tasks.overview import read_view, spec_or_guess
from tasks.teardown import (
    forget_credentials,
    remove_address,
    remove_balancer,
    remove_leftovers,
    remove_machines,
    remove_network,
)

SWEEPS = 3
"""Another run may still be adding to the cluster when its end begins."""


@flow(
    name="teardown",
    flow_run_name="teardown {name}",
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def teardown(account: QingCloudAccount, name: str = "demo") -> Plan:
    """Delete everything that carries the cluster's names, for good; answers what there was.

    It needs no credentials of the cluster, and is safe to run again after an interruption.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
    """
    view = read_view(account, name)
    planned = plan_teardown(view)
    for _ in range(SWEEPS):
        sweep(account, view)
        view = read_view(account, name)
        if view.is_empty:
            break
    else:
        left = ", ".join(f"{item.kind} {item.id}" for item in plan_teardown(view).items)
        raise FinalError(
            f"cluster {name} grows again while it is taken down ({left}); "
            "end the autoscaler or whatever else makes it, then run the same command again"
        )
    forget_credentials(account, name)
    close_history(name, datetime.now(UTC))
    return planned


def sweep(account: QingCloudAccount, view: ClusterView) -> None:
    """Delete all that was seen, in the order in which the cloud lets go of it."""
    machines = remove_machines.submit(account, view)
    balancer = remove_balancer.submit(account, view)
    machines.result()
    balancer.result()
    remove_network(account, view)
    address = remove_address.submit(account, view)
    remove_leftovers(account, view)
    address.result()


app = make_app("teardown", "Take a cluster down and leave nothing behind.")


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
        done = teardown(opened.account, name)
    opened.say(f"Cluster {name}: {len(done.items)} resources deleted.")
    opened.answer(done)


if __name__ == "__main__":
    run(app)

"""Approval of a destructive or paid change by a person who sees its plan.

A command asks in its terminal. A run that the Prefect UI or a deployment has started pauses, shows
the plan and a form, and goes on once the form says so.
"""

from collections.abc import Callable

from prefect import pause_flow_run
from prefect.context import FlowRunContext
from prefect.exceptions import FlowPauseTimeout
from prefect.input import RunInput
from pydantic import Field

from domain.cloud.plan import Action, Plan
from domain.kernel.errors import NotConfirmed
from domain.spec.part import Switch
from tasks.cluster import Cluster
from tasks.reports import plan_as_markdown
from tasks.steps import run_logger
from tasks.tables import publish_plan

WAIT_SECONDS = 3600


class Approval(RunInput):
    """The answer of a person to a plan."""

    approve: Switch = Field(False, description="Carry the plan out")
    cluster: str = Field("", description="The name of the cluster, typed as a proof")
    reason: str = Field("", description="Kept in the run's log")


def approve(cluster: Cluster, plan: Callable[[], Plan]) -> None:
    """Pause a run of a deployment until a person has agreed to its plan; nothing was changed yet.

    A command has asked already. What deletes nothing is asked for on an account that bills. An
    account whose `approval` is `never` is not asked.

    Raises:
        NotConfirmed: the answer was no, named another cluster, or did not come within an hour.
    """
    if not is_deployed() or cluster.account.approval == "never":
        return
    planned = plan()
    is_destructive = any(item.action is Action.DELETE for item in planned.changes)
    if not (is_destructive or (planned.changes and cluster.account.bills)):
        return
    name = planned.cluster  # empty for leftovers of any cluster
    what = f"the plan of cluster {name}" if name else "the plan to delete leftovers"
    publish_plan(planned, cluster.key)
    text = plan_as_markdown(planned)
    run_logger().warning("%s waits for an approval: resume this run in the Prefect UI", what)
    form = Approval.with_initial_data(description=text)
    try:
        answer = pause_flow_run(wait_for_input=form, timeout=WAIT_SECONDS, poll_interval=3)
    except FlowPauseTimeout:
        raise NotConfirmed(
            f"{what} was not approved within {WAIT_SECONDS // 60} minutes; nothing was changed. "
            "Run the deployment again to be asked again"
        ) from None
    if not answer.approve:
        raise NotConfirmed(f"{what} was not approved ({answer.reason}); nothing was changed")
    if answer.cluster != name:
        raise NotConfirmed(
            f"{what} was approved for {answer.cluster!r}, which is another name; nothing was "
            f"changed. Run the deployment again and type {name!r}"
        )
    cluster.look_again()  # an hour may have passed
    run_logger().info("%s was approved: %s", what, answer.reason or "no reason given")


def is_deployed() -> bool:
    """Whether a deployment has started this flow run; false for a flow that another one calls."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run is not None and run.deployment_id is not None

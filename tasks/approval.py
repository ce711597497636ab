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
from domain.kernel.durations import format_seconds
from domain.kernel.errors import NotConfirmed
from domain.spec.part import Switch
from tasks.cluster import Cluster
from tasks.reports import plan_as_markdown
from tasks.steps import run_logger
from tasks.tables import publish_plan

WAIT_SECONDS = 3600
POLL_SECONDS = 3


class Approval(RunInput):
    """The answer of a person to a plan."""

    approve: Switch = Field(False, description="Carry the plan out")
    cluster: str = Field("", description="The name of the cluster, typed as a proof")
    reason: str = Field("", description="Kept in the run's log")


def approve(cluster: Cluster, plan: Callable[[], Plan], wait: int = WAIT_SECONDS) -> None:
    """Pause a run of a deployment until a person has agreed to its plan; nothing was changed yet.

    A command has asked already. An account whose `approval` is `never` is not asked.

    Args:
        wait: seconds until the question expires.

    Raises:
        NotConfirmed: the answer was no, named another cluster, or did not come in time.
    """
    if not is_deployed() or cluster.account.approval == "never":
        return
    planned = plan()
    if not needs_approval(planned, bills=cluster.account.bills):
        return
    publish_plan(planned, cluster.key)
    run_logger().warning(
        "%s waits for an approval: resume this run in the Prefect UI", _describe(planned)
    )
    form = Approval.with_initial_data(description=plan_as_markdown(planned))
    try:
        answer = pause_flow_run(wait_for_input=form, timeout=wait, poll_interval=POLL_SECONDS)
    except FlowPauseTimeout:
        raise NotConfirmed(
            f"{_describe(planned)} was not approved within {format_seconds(wait)}; nothing was "
            "changed. Run the deployment again to be asked again"
        ) from None
    check_answer(answer, planned)
    cluster.look_again()  # an hour may have passed
    run_logger().info("%s was approved: %s", _describe(planned), answer.reason or "no reason given")


def needs_approval(plan: Plan, *, bills: bool) -> bool:
    """Whether a plan deletes something, or changes something on an account that bills."""
    is_destructive = any(item.action in (Action.DELETE, Action.REPLACE) for item in plan.changes)
    return is_destructive or bool(plan.changes and bills)


def check_answer(answer: Approval, plan: Plan) -> None:
    """Check that a person has agreed to this plan. Raises `NotConfirmed`."""
    what, name = _describe(plan), plan.cluster
    if not answer.approve:
        reason = f" ({answer.reason})" if answer.reason else ""
        raise NotConfirmed(f"{what} was not approved{reason}; nothing was changed")
    if answer.cluster != name:
        wanted = f"type {name!r}" if name else "leave the name empty"
        raise NotConfirmed(
            f"{what} was approved for {answer.cluster!r}, which is another name; nothing was "
            f"changed. Run the deployment again and {wanted}"
        )


def _describe(plan: Plan) -> str:
    return f"the plan of cluster {plan.cluster}" if plan.cluster else "the plan to delete leftovers"


def is_deployed() -> bool:
    """Whether a deployment has started this flow run; false for a flow that another one calls."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run is not None and run.deployment_id is not None

"""Tables in the Prefect UI: machines, plans, drift. Each has a stable key, so it has a history.

The key of each has the cluster's key in it: two accounts may have a cluster of one name. A table
repeats what the run returns; so a Prefect server that does not store it is logged, and the
run continues.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from httpx import HTTPError
from prefect.exceptions import PrefectException

from blocks.artifacts import publish_table
from domain.backup.drill import DrillReport
from domain.backup.labels import Label
from domain.cloud.plan import Plan
from domain.health.findings import HealthReport
from domain.kernel.errors import ClusterError
from domain.kernel.texts import begin
from domain.node.scripts import End, ScriptReport
from domain.reports.cluster import ClusterReport
from domain.reports.drift import DriftReport
from domain.reports.machines import MachineView, choose_shown, match_machines, tally
from tasks.accounts import account_of
from tasks.reports import MOST_ROWS, artifact_key
from tasks.steps import run_logger

Row = Mapping[str, str | int]

MOST_OF_LINE = 200
"""Characters of a script's output in a cell."""


def publish_machines(report: ClusterReport, key: str) -> None:
    """Store the machines of a cluster, the broken ones among the first rows."""
    views = match_machines(report)
    shown, _ = choose_shown(views, MOST_ROWS)
    words = f"Machines of cluster {report.cluster}: {tally(views) or 'none'}"
    _publish(list(map(_machine, shown)), artifact_key("machines", key), words)


def publish_plan(plan: Plan, key: str) -> None:
    """Store what a run is about to change. The leftovers of an account are of no cluster."""
    rows = plan_rows(plan)
    of = f"cluster {plan.cluster}" if plan.cluster else "the account's leftovers"
    _publish(
        rows[:MOST_ROWS],
        artifact_key("plan", key if plan.cluster else f"leftovers-{account_of(key)}"),
        f"Plan for {of}: {len(rows)} changes",
    )


def publish_drift(report: DriftReport, key: str) -> None:
    """Store how a cluster differs from its description; an empty table where it does not."""
    rows = [
        {
            "difference": one.kind.value,
            "kind": one.resource,
            "name": one.name,
            "id": one.id,
            "count": one.count,
            "why": one.reason,
        }
        for one in report.differences
    ]
    _publish(rows[:MOST_ROWS], artifact_key("drift", key), begin(report.sentence))


def publish_backups(labels: Sequence[Label], key: str) -> None:
    """Store which backups of a cluster there are, the newest first."""
    rows: list[Row] = [
        {
            "backup": one.name,
            "made at": f"{one.made_at:%Y-%m-%d %H:%M:%S} UTC",
            "kubernetes": one.kubernetes,
            "bytes": one.size,
            "objects": sum(one.objects.values()),
        }
        for one in sorted(labels, key=lambda one: one.made_at, reverse=True)
    ]
    _publish(rows[:MOST_ROWS], artifact_key("backups", key), f"{len(labels)} backups")


def publish_drill(report: DrillReport, key: str) -> None:
    """Store what a drill has found: one row for each missing object."""
    rows = [{"missing": name} for name in report.missing]
    words = f"{begin(report.sentence)}, after {report.seconds:.0f} s"
    _publish(rows[:MOST_ROWS], artifact_key("drill", key), words[:200])


def publish_health(report: HealthReport, key: str) -> None:
    """Store what a check has found."""
    rows = [
        {
            "subject": one.subject.value,
            "level": one.level.value,
            "finding": one.sentence,
            "what to do": one.action,
        }
        for one in report.findings
    ]
    _publish(rows, artifact_key("check", key), begin(report.sentence)[:200])


def publish_scripts(report: ScriptReport, key: str) -> None:
    """Store how a script ended on each machine, the failures first."""
    rows = [
        {
            "machine": one.node,
            "id": one.machine,
            "end": one.end.value,
            "exit code": "" if one.exit_code is None else one.exit_code,
            "seconds": f"{one.seconds:.1f}",
            "last line": one.last_line[:MOST_OF_LINE],
        }
        for one in sorted(report.results, key=lambda one: one.end is End.DONE)
    ]
    words = begin(report.sentence)
    _publish(rows[:MOST_ROWS], artifact_key("script", key, report.group), words)


def plan_rows(plan: Plan) -> list[Row]:
    """One row for each change, with the price of one resource in yuan an hour."""
    return [
        {
            "action": item.action.value,
            "kind": item.kind,
            "name": item.name,
            "id": item.id,
            "count": item.count,
            "yuan an hour": _price(item.hourly),
            "why": item.reason,
        }
        for item in plan.changes
    ]


def _price(hourly: Decimal | None) -> str:
    return "" if hourly is None else str(hourly)


def _machine(view: MachineView) -> Row:
    machine, node = view.machine, view.node
    return {
        "machine": machine.name,
        "id": machine.id,
        "group": machine.group,
        "address": machine.private_ip,
        "type": machine.type_id,
        "state": view.state_text,
        "pods": f"{node.pods} of {node.pods_allocatable}" if node else "",
        "version": node.version if node else "",
    }


def _publish(rows: Sequence[Row], key: str, words: str) -> None:
    try:
        publish_table(rows, key, words, patience=0.0)
    except (ClusterError, HTTPError, PrefectException) as error:
        run_logger().warning("the table %s was not stored: %s", key, error)

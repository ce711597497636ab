"""Compare a cluster with its stored description: `python -m flows.drift`."""

from prefect import flow
from prefect.runtime import flow_run

from blocks.accounts import QingCloudAccount
from domain.cloud.plan import Action, Plan, PlanItem
from domain.kernel.errors import DriftFound
from domain.observe.cost import price_plan
from domain.reports.drift import DriftReport
from domain.spec.cluster import ClusterName, ClusterSpec
from domain.spec.given import GivenSpec
from domain.spec.part import Switch
from flows._cli.command import (
    Session,
    cluster_name,
    report_billed,
    reporting,
    run,
    session,
)
from flows._cli.flags.drift import Flags, app
from flows._cli.parsing import parse
from flows._cli.terminal import show_drift
from flows.provision import make_plan, provision
from flows.scale import leaving_machines, scale
from tasks.approval import approve
from tasks.cluster import Cluster, open_cluster
from tasks.drift import read_drift
from tasks.overview import need_cluster, need_spec, with_sources
from tasks.run_log import keep_log_short
from tasks.steps import run_logger
from tasks.tables import publish_drift


def _run_name() -> str:
    given = flow_run.parameters
    return f"{'repair' if given['repair'] else 'drift'} {given['name']}"


@flow(name="drift", flow_run_name=_run_name, on_running=[keep_log_short])
def drift(
    account: QingCloudAccount, name: ClusterName = "demo", repair: Switch = False
) -> DriftReport:
    """Compare a cluster with its stored description.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
        repair: Remove machines above the stored count, and finish and correct everything else as
            `provision` does. What was made by hand stays.

    Returns:
        The differences, after a repair those that are left.
    """
    with open_cluster(account, name) as cluster:
        spec = _need_spec(cluster)
        report = read_drift(cluster, spec)
        publish_drift(report, cluster.key)
        for one in report.differences:
            log = run_logger().info if one not in report.drifted else run_logger().warning
            log("%s: %s %s %s: %s", one.kind, one.resource, one.name, one.id, one.reason)
        if not (repair and report.drifted):
            return report
        approve(cluster, lambda: plan_repair(cluster, spec))
        for group, count in _too_large(cluster, spec).items():
            scale(account, count, name, group)
        provision(account, GivenSpec.of(spec), demo=False, ui=False)
        cluster.look_again()
        return read_drift(cluster, spec)


def _need_spec(cluster: Cluster) -> ClusterSpec:
    need_cluster(cluster)
    return with_sources(cluster.account, need_spec(cluster))


def _too_large(cluster: Cluster, spec: ClusterSpec) -> dict[str, int]:
    """The wanted sizes of the groups of nodes that have more machines."""
    seen = cluster.inventory()
    return {
        group: nodes.count
        for group, nodes in spec.node_groups.items()
        if len(seen.group(group)) > nodes.count
    }


def plan_repair(cluster: Cluster, spec: ClusterSpec) -> Plan:
    """The plan of a repair, with its cost: what leaves, and what `provision` then does.

    Everything that can be checked is checked.
    """
    cluster, seen = cluster.wanting(spec), cluster.inventory()
    surplus = [
        PlanItem(
            "machine", machine.name, Action.DELETE, "more than wanted", machine.id, billed=True
        )
        for group, count in _too_large(cluster, spec).items()
        for machine in leaving_machines(cluster, group, count)
    ]
    leaving = {item.id for item in surplus}
    kept = [item for item in make_plan(cluster, spec).items if item.id not in leaving]
    return price_plan(Plan(cluster.name, (*surplus, *kept)), seen, spec)


def main(flags: Flags) -> None:
    """Compare a cluster with its stored description: exit code 1 where they differ."""
    name = cluster_name(flags.common)
    with session(flags.common, name) as opened:
        report = drift(opened.account, name)
        if flags.repair and report.drifted:
            show_drift(report)
            report = _repair(opened, yes=flags.yes)
    show_drift(report)
    opened.print_result(report)
    if report.drifted:
        raise DriftFound(
            f"{report.sentence}; look at the plan of a repair with: "
            f"python -m flows.drift --name {name} --repair"
        )


def _repair(opened: Session, *, yes: bool) -> DriftReport:
    cluster = opened.cluster
    planned = plan_repair(cluster, _need_spec(cluster))
    opened.confirm(planned, f"Repair cluster {cluster.name} like this?", yes=yes)
    with reporting(lambda: report_billed(opened)):
        return drift(opened.account, cluster.name, repair=True)


if __name__ == "__main__":
    run(main, parse(app))

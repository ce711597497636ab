"""Bring a group of machines to a count: `python -m flows.scale`."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated

from prefect import flow
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from blocks.accounts import QingCloudAccount
from domain.cloud.inventory import Inventory
from domain.cloud.plan import Plan
from domain.cloud.planning import plan_scale
from domain.cloud.records import Instance
from domain.kernel.errors import InvalidSpec
from domain.kernel.names import MASTERS, NODES
from domain.node.remove import check_count, check_hand_made, choose_leaving, find_named
from domain.observe.cost import price_plan
from domain.reports.cluster import ClusterReport
from domain.spec.cluster import ClusterName, ClusterSpec, GroupName
from domain.spec.part import Switch, Whole
from flows._cli.command import (
    Session,
    cluster_name,
    reporting,
    run,
    session,
)
from flows._cli.flags.scale import Flags, app
from flows._cli.parsing import parse
from flows._cli.terminal import show_report
from flows.runbooks.masters import scale_masters
from flows.runbooks.nodes import MOST_AT_ONCE
from flows.runbooks.scale import scale_to
from tasks.approval import approve
from tasks.cluster import Cluster, open_cluster
from tasks.control_plane import ready_nodes, workload_pods
from tasks.executors import PrefectSteps, Steps
from tasks.finish import finish_run
from tasks.leaving import check_enough, check_pods_can_move, find_exempt
from tasks.overview import need_cluster, need_spec, with_sources
from tasks.run_log import keep_log_short
from tasks.runs import only_run
from tasks.scalings import recorded_scaling
from tasks.standings import read_standings
from tasks.steps import Recorder, listening


def _run_name() -> str:
    given = flow_run.parameters
    what = f"without {' '.join(given['remove'])}" if given["remove"] else f"to {given['count']}"
    return f"scale {given['name']} {given['group']} {what}"


@flow(
    name="scale",
    flow_run_name=_run_name,
    on_running=[keep_log_short],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def scale(
    account: QingCloudAccount,
    count: Annotated[Whole, Field(ge=0, le=5000)] | None = None,
    name: ClusterName = "demo",
    group: GroupName = NODES,
    remove: tuple[str, ...] = (),
    force: Switch = False,
) -> ClusterReport:
    """Add or remove machines until the group has this many, or remove chosen ones.

    Nodes are emptied one after the other before their machines are terminated; a node that cannot
    be emptied is uncordoned, and the run ends there.

    Args:
        account: The account that the cluster is in.
        count: The wanted number of machines; not with `remove`.
        name: The cluster's name.
        group: The group of machines.
        remove: Remove exactly these, by the ids of the machines or the names of their nodes.
        force: Empty a whole group also where pods of it have no place on other nodes.
    """
    steps, recorder = PrefectSteps(), Recorder()
    with open_cluster(account, name) as cluster, listening(recorder), ExitStack() as stack:
        approve(cluster, lambda: priced(cluster, group, count, remove, force=force))
        stack.enter_context(only_run(cluster))
        wanting, leaving = wanted_change(cluster, group, count, remove, force=force)
        before, after = len(wanting.inventory().group(group)), wanting.spec.count(group)
        why = f"a run was asked for {' '.join(remove) + ' to leave' if remove else after}"
        with recorded_scaling(wanting, group, "scale", why, before=before, wanted=after):
            scale_group(steps, wanting, group, leaving)
        timeline = recorder.timeline(f"scale {name} {group} to {wanting.spec.count(group)}")
        return finish_run(cluster, wanting.spec, timeline)


def scale_group(steps: Steps, cluster: Cluster, group: str, leaving: Sequence[Instance]) -> None:
    """Give a group its wanted size. Arguments: as `scale_to`, and the masters' group as well."""
    if group == MASTERS:
        scale_masters(steps, cluster, leaving)
    else:
        scale_to(steps, cluster, group, leaving)


def priced(
    cluster: Cluster,
    group: str,
    count: int | None = None,
    remove: Sequence[str] = (),
    *,
    force: bool = False,
) -> Plan:
    """What a change of the group's size would do, with its prices."""
    seen = need_cluster(cluster)
    wanting, leaving = wanted_change(cluster, group, count, remove, force=force)
    planned = plan_scale(seen, group, wanting.spec.count(group), [one.id for one in leaving])
    return price_plan(planned, seen, wanting.spec)


def wanted_change(
    cluster: Cluster,
    group: str,
    count: int | None,
    remove: Sequence[str],
    *,
    force: bool = False,
) -> tuple[Cluster, tuple[Instance, ...]]:
    """The handle with the group's wanted size, and the machines that leave for it.

    Args:
        force: empty a whole group also where pods of it have no place on other nodes.

    Raises:
        InvalidSpec: the size, the group or a machine cannot be that, or both are given, or neither;
            or pods cannot move.
    """
    wanting, leaving = _chosen(cluster, group, count, remove)
    if group != MASTERS and not force:
        check_pods_can_move(wanting, group, leaving)
    return wanting, leaving


def _chosen(
    cluster: Cluster, group: str, count: int | None, remove: Sequence[str]
) -> tuple[Cluster, tuple[Instance, ...]]:
    check_asked(count, remove)
    seen = need_cluster(cluster)
    spec = with_sources(cluster.account, need_spec(cluster))
    if count is not None:
        check_size(spec, group, count)
        wanting = cluster.wanting(spec.with_count(group, count))
        return wanting, leaving_machines(wanting, group, count)
    leaving = find_named(group, seen.group(group), remove)
    left = len(seen.group(group)) - len(leaving)
    check_size(spec, group, left)
    return cluster.wanting(spec.with_count(group, left)), leaving


def check_asked(count: int | None, remove: Sequence[str]) -> None:
    """Refuse a request without a size and without machines. Raises `InvalidSpec`."""
    if count is None and not remove:
        raise InvalidSpec("--count is missing: the number of machines wanted; or use --remove")
    if count is not None and remove:
        raise InvalidSpec("--count and --remove do not go together; choose one")


def check_size(spec: ClusterSpec, group: str, count: int) -> None:
    """Refuse a size that the group cannot have. Raises `InvalidSpec`."""
    if group != MASTERS:
        check_count(group, count, spec.nodes_of(group))


def leaving_machines(cluster: Cluster, group: str, count: int) -> tuple[Instance, ...]:
    """The machines to remove for this count: broken ones, then the emptiest, then the newest.

    Of the masters broken ones as well, then those that are not behind the load balancer yet, and
    the one to which the public SSH port leads last.
    """
    inventory = cluster.inventory()
    machines = inventory.group(group)
    if count >= len(machines):
        return ()
    known = cluster.credentials().host_keys
    check_hand_made(
        group, [m.id for m in machines if m.id not in known and not inventory.has_our_key(m)]
    )
    standings = read_standings(cluster, machines)
    if group == MASTERS:
        jump = inventory.jump_host
        machines = inventory.masters[::-1]
        machines = tuple(sorted(machines, key=lambda m: m == jump))
        return tuple(sorted(machines, key=lambda m: not standings[m.id].is_broken))[:-count]
    exempt = find_exempt(cluster, group, machines)
    check_enough(group, exempt, count)
    others = [machine for machine in machines if machine not in exempt]
    count -= len(exempt)
    return choose_leaving(group, others, count, workload_pods(cluster), standings)


def report_idle(opened: Session, group: str, before: Inventory) -> None:
    """Report which machines of a group are billed after a failed run and are no Ready nodes.

    Args:
        before: the inventory before the run; where the cluster does not answer, only machines
            that are new since then are named.
    """
    cluster = opened.cluster
    nodes = cluster.inventory(fresh=True).group(group)
    ready = ready_nodes(cluster)
    used = (
        {machine.id for machine in nodes if cluster.node_name(machine) in ready}
        if ready
        else {machine.id for machine in before.group(group)}
    )
    idle = [f"machine {machine.id}" for machine in nodes if machine.id not in used]
    if idle:
        words = f"Unfinished machines stay and are billed: {', '.join(idle)}. Run the same command"
        remove = (
            ""
            if group == MASTERS
            else ", or remove them with: python -m flows.scale "
            f"--name {cluster.name} --group {group} --count {len(nodes) - len(idle)}"
        )
        opened.print_line(f"{words} again to continue{remove}")


def main(flags: Flags) -> None:
    """Add machines to a group, or empty and remove some of them."""
    name = cluster_name(flags.common)
    check_asked(flags.count, flags.remove or ())
    with session(flags.common, name) as opened:
        account, cluster, chosen = opened.account, opened.cluster, tuple(flags.remove or ())
        before = need_cluster(cluster)
        planned = priced(cluster, flags.group, flags.count, chosen, force=flags.force)
        if account.bills and planned.changes:
            opened.confirm(planned, f"Do this in zone {account.zone}?", yes=flags.yes)
        with reporting(lambda: report_idle(opened, flags.group, before)):
            report = scale(account, flags.count, name, flags.group, chosen, flags.force)
    show_report(report)
    opened.print_result(report)


if __name__ == "__main__":
    run(main, parse(app))

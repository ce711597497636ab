"""Replace broken machines: `python -m flows.repair`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from blocks.accounts import QingCloudAccount
from domain.autoscaling.decide.repair import Patient
from domain.cloud.plan import Action, Plan, PlanItem
from domain.cloud.records import Instance
from domain.kernel.errors import StillBroken
from domain.kernel.names import MASTERS, Names
from domain.kernel.texts import count_machines
from domain.observe.cost import price_plan
from domain.spec.cluster import ClusterName
from domain.spec.part import Switch
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
from flows._cli.terminal import show_plan
from flows.runbooks.nodes import MOST_AT_ONCE
from flows.runbooks.repair import repair as replace_machines
from tasks.approval import approve
from tasks.autoscaling import judge_broken
from tasks.cases import Input, read_input
from tasks.cluster import Cluster, open_cluster
from tasks.executors import PrefectSteps
from tasks.run_log import keep_log_short
from tasks.runs import only_run
from tasks.standings import read_standings


@dataclass(frozen=True)
class Repairs:
    """What is broken in a cluster.

    Attributes:
        leaving: by group, the broken machines and nodes that are replaced.
        staying: what is broken and stays, with the reason.
        missing: by group, how many machines are new.
    """

    leaving: dict[str, list[Patient]]
    staying: list[tuple[str, str, str]]
    missing: dict[str, int]


@flow(
    name="repair",
    flow_run_name="repair {name}",
    on_running=[keep_log_short],
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def repair(
    account: QingCloudAccount, name: ClusterName = "demo", group: str = "", force: Switch = False
) -> Plan:
    """Replace the broken machines of a cluster's nodes, and name what stays broken.

    Broken is what is stopped, suspended, NotReady for long, or has not become a node in its time.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
        group: Only this group of nodes; all if not given.
        force: Also where so many are broken at once that the machines are hardly the cause.

    Returns:
        What was done, and what stays.

    Raises:
        StillBroken: something that is broken stays; everything else was replaced before.
    """
    with open_cluster(account, name) as cluster:
        approve(cluster, lambda: plan_repairs(cluster, group, force=force))
        with only_run(cluster):
            cluster.look_again()
            plan, found, repairs = _look(cluster, group, force=force)
            for one, patients in repairs.leaving.items():
                machines = [_machine(found, patient) for patient in patients if patient.machine]
                lost = [patient.node_name for patient in patients if not patient.machine]
                replace_machines(PrefectSteps(), found.cluster, one, machines, lost)
        if repairs.staying:
            raise StillBroken("; ".join(f"{what} {why}" for _, what, why in repairs.staying))
    return plan


def plan_repairs(cluster: Cluster, group: str, *, force: bool) -> Plan:
    """What a repair would do, with its prices, and what stays broken."""
    return _look(cluster, group, force=force)[0]


def _look(cluster: Cluster, group: str, *, force: bool) -> tuple[Plan, Input, Repairs]:
    found = read_input(cluster)
    if group:
        found.cluster.spec.nodes_of(group)
    repairs = _find_repairs(found, (group,) if group else found.groups, force=force)
    items = tuple(_items(found, repairs))
    seen = cluster.inventory()
    return price_plan(Plan(cluster.name, items), seen, found.cluster.spec), found, repairs


def _find_repairs(found: Input, groups: tuple[str, ...], *, force: bool) -> Repairs:
    repairs = Repairs({}, [], {})
    for machine, standing in read_standings(found.cluster, found.machines.masters).items():
        if standing.is_broken:
            why = f"is broken ({standing.fault}) and is the only master: start it in the console"
            repairs.staying.append((MASTERS, f"master {machine}", why))
    for group in groups:
        for patient, objection in judge_broken(found.case(group=group), force=force):
            if objection:
                words = f"is broken ({patient.fault}); {objection}"
                repairs.staying.append((group, patient.name, words))
            else:
                repairs.leaving.setdefault(group, []).append(patient)
        if leaving := repairs.leaving.get(group):
            left = len(found.machines.group(group)) - sum(bool(one.machine) for one in leaving)
            repairs.missing[group] = max(0, found.cluster.spec.count(group) - left)
    return repairs


def _items(found: Input, repairs: Repairs) -> list[PlanItem]:
    names = Names(found.cluster.name)
    items: list[PlanItem] = []
    for group, patients in repairs.leaving.items():
        for one in patients:
            kind, name = ("machine", names.group(group)) if one.machine else ("node", one.name)
            gone = PlanItem(kind, name, Action.DELETE, str(one.fault), one.name, billed=True)
            items.append(gone)
        if count := repairs.missing[group]:
            reason = "in place of the broken ones"
            new = PlanItem(
                "machine", names.group(group), Action.CREATE, reason, count=count, billed=True
            )
            items.append(new)
    for group, what, why in repairs.staying:
        items.append(PlanItem("machine", names.group(group), Action.KEEP, f"{what} {why}", what))
    return items


def _machine(found: Input, patient: Patient) -> Instance:
    assert patient.machine is not None
    wanted = patient.machine.id
    return next(machine for machine in found.machines.instances if machine.id == wanted)


app = make_app("repair", "Replace the broken machines of a cluster's nodes.")


@app.default
def main(
    *,
    group: Annotated[str, Parameter(help="Only this group of nodes")] = "",
    plan: Annotated[bool, Parameter(negative=(), help="Show the plan; change nothing")] = False,
    force: Annotated[
        bool,
        Parameter(negative=(), help="Also where so many are broken that there is another cause"),
    ] = False,
    yes: YES = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Show which machines are broken, and replace them after a yes."""
    name = cluster_name(common)
    with session(common, name) as opened:
        planned = plan_repairs(opened.cluster, group, force=force)
        if not planned.items:
            opened.print_line(f"No machine of cluster {name} is broken")
        elif plan:
            show_plan(planned)
        if plan or not planned.items:
            opened.print_result(planned)
            return
        if planned.changes:
            opened.confirm(planned, "Replace these machines?", yes=yes)
        with reporting(lambda: report_billed(opened)):
            done = repair(opened.account, name, group, force)
        gone = sum(item.action is Action.DELETE for item in done.changes)
        opened.print_line(f"{count_machines(gone)} of cluster {name} replaced")
    opened.print_result(done)


if __name__ == "__main__":
    run(app)

"""The runbooks that replace broken machines: of a group of nodes, and masters."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from domain.cloud.records import Instance
from domain.kernel.names import MASTERS
from domain.node.remove import check_still_broken
from flows.runbooks.masters import add_masters, balance_masters, remove_masters
from flows.runbooks.nodes import Failures, distribute_roster
from flows.runbooks.reaching import reach
from flows.runbooks.scale import remove_nodes, scale_out
from tasks.cluster import Cluster
from tasks.executors import Steps
from tasks.machines import mark_nodes
from tasks.masters import forget_lost_members, serving_masters
from tasks.network import tag_resources
from tasks.repairs import GroupRepair, Repairs
from tasks.scaling import delete_node
from tasks.scalings import recorded_scaling
from tasks.standings import read_standings


def repair_groups(steps: Steps, repairs: Repairs) -> None:
    """Replace what is broken, one group after the other, and finish what a run has left.

    Raises as `repair` does.
    """
    cluster = repairs.found.cluster
    cluster = reach(steps, cluster)
    for one in repairs.groups:
        with _recorded(cluster, one):
            _repair_group(steps, cluster, one, repairs.machines(one))
    balance_masters(steps, cluster)
    steps.run(mark_nodes, cluster)
    steps.run(tag_resources, cluster)
    failures = Failures(cluster.name)
    distribute_roster(steps, cluster.at(cluster.ssh_endpoints()), failures)
    failures.check()


def _recorded(cluster: Cluster, planned: GroupRepair) -> AbstractContextManager[None]:
    """Record what is replaced; to finish what a run has left is no scaling."""
    if not planned.leaving:
        return nullcontext()
    group, wanted = planned.group, cluster.spec.count(planned.group)
    why = f"broken: {', '.join(patient.node_name for patient in planned.leaving)}"
    before = wanted - planned.missing
    return recorded_scaling(cluster, group, "repair", why, before=before, wanted=wanted)


def _repair_group(
    steps: Steps, cluster: Cluster, planned: GroupRepair, broken: Sequence[Instance]
) -> None:
    lost = [patient.node_name for patient in planned.leaving if not patient.machine]
    if planned.group == MASTERS:
        repair_masters(steps, cluster, broken, lost)
    else:
        repair(steps, cluster, planned.group, broken, lost)


def repair_masters(
    steps: Steps, cluster: Cluster, broken: Sequence[Instance], lost_nodes: Sequence[str]
) -> None:
    """Replace broken and lost masters, as long as the others are a quorum.

    Raises:
        QuorumAtRisk: names the master that stays.
        FinalError: one of the machines is not broken any more; nothing was removed.
    """
    for machine, standing in read_standings(cluster, broken).items():
        check_still_broken(machine, standing)
    cluster = cluster.at(cluster.endpoints(), cluster.ssh_endpoints().users)
    steps.run(forget_lost_members, cluster, serving_masters(cluster)[0])
    for node in lost_nodes:
        steps.run(delete_node, cluster, node)
    if broken:
        remove_masters(steps, cluster, broken)
    add_masters(steps, cluster)


def repair(
    steps: Steps,
    cluster: Cluster,
    group: str,
    broken: Sequence[Instance],
    lost_nodes: Sequence[str] = (),
) -> None:
    """Remove broken machines and lost nodes, and bring the group back to its wanted size.

    The size stays stored, so that a later run finishes what this begins.

    Args:
        lost_nodes: names of nodes whose machine does not exist any more.

    Raises:
        FinalError: one of the machines is not broken any more; nothing was removed.
    """
    for machine, standing in read_standings(cluster, broken).items():
        check_still_broken(machine, standing)
    for node in lost_nodes:
        steps.run(delete_node, cluster, node)
    remove_nodes(steps, cluster, broken)
    scale_out(steps, cluster, group, only_new=True)

"""The runbook that replaces broken machines of a group of nodes."""

from collections.abc import Sequence

from domain.cloud.records import Instance
from domain.node.remove import check_still_broken
from flows.runbooks.scale import scale_in, scale_out
from tasks.cluster import Cluster
from tasks.executors import Steps
from tasks.scaling import delete_node
from tasks.standings import read_standings


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
    scale_in(steps, cluster, broken)
    scale_out(steps, cluster, group, only_new=True)

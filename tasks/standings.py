"""Whether the machines of a cluster serve, from the cloud's state and from the cluster's API."""

from collections.abc import Sequence
from datetime import UTC, datetime

from domain.cloud.records import Instance
from domain.cluster.api import Node
from domain.kernel.errors import ClusterError
from domain.node.serving import Standing, find_standings
from tasks.cluster import Cluster
from tasks.control_plane import answers
from tasks.steps import run_logger


def read_standings(cluster: Cluster, machines: Sequence[Instance]) -> dict[str, Standing]:
    """The standing of each of these machines by its id; sends the cloud no call.

    While the cluster does not answer, no machine counts as a node.
    """
    now = datetime.now(UTC)
    nodes, found = _read_nodes(cluster), dict[str, Standing]()
    for group in {cluster.group_of(machine) for machine in machines}:
        alike = [machine for machine in machines if cluster.group_of(machine) == group]
        found |= find_standings(group, alike, nodes, now, cluster.patience(group))
    return found


def _read_nodes(cluster: Cluster) -> Sequence[Node]:
    if not answers(cluster):
        return ()
    try:
        return cluster.api().list_nodes()
    except ClusterError as error:
        run_logger().info("the nodes cannot be read yet: %s", error)
        return ()

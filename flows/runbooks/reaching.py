"""The way to a cluster's machines, which leads through a master."""

from domain.cloud.endpoints import endpoints_of
from tasks.cluster import Cluster
from tasks.executors import Steps
from tasks.masters import move_jump_host, needs_another_jump_host, serving_masters


def reach(steps: Steps, cluster: Cluster) -> Cluster:
    """Let the public SSH port lead to a master that serves. Returns: the handle with that way."""
    if len(cluster.inventory().masters) < 2:
        return cluster
    serving = serving_masters(cluster)
    if needs_another_jump_host(cluster, serving):
        steps.run(move_jump_host, cluster, serving[0])
    return cluster.at(endpoints_of(cluster.inventory()), cluster.ssh_endpoints().users)

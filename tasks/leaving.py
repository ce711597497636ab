"""Checks before machines leave a group on request: exempt ones, and pods that cannot move."""

from collections.abc import Sequence

from domain.autoscaling.fit.moving import find_stranded
from domain.cloud.records import Instance
from domain.kernel.errors import InvalidSpec
from domain.kernel.texts import first_of
from domain.node.exempt import is_exempt
from domain.spec.scaling import ScalingPolicy
from tasks.cluster import Cluster
from tasks.control_plane import answers


def find_exempt(cluster: Cluster, group: str, machines: Sequence[Instance]) -> tuple[Instance, ...]:
    """The machines of a group that are never chosen for removal."""
    policy = cluster.spec.policy(group)
    patterns = policy.exempt if isinstance(policy, ScalingPolicy) else ()
    nodes = cluster.api().list_nodes() if answers(cluster) else ()
    labels = {node.name: node.labels for node in nodes}
    return tuple(
        one
        for one in machines
        if is_exempt(
            (one.id, cluster.node_name(one)), labels.get(cluster.node_name(one), {}), patterns
        )
    )


def check_enough(group: str, exempt: Sequence[Instance], count: int) -> None:
    """Refuse a size that only the removal of exempt machines gives. Raises `InvalidSpec`."""
    if count < len(exempt):
        raise InvalidSpec(
            f"group {group} keeps {first_of([one.id for one in exempt])}, which are exempt; take "
            "the exemption back, or choose them with --remove"
        )


def check_pods_can_move(cluster: Cluster, group: str, leaving: Sequence[Instance]) -> None:
    """Refuse to empty a whole group while a pod of it has no place on the other nodes.

    Raises:
        InvalidSpec: names the pods, each with the reason.
    """
    left = len(cluster.inventory().group(group)) - len(leaving)
    if left or not leaving or not answers(cluster):
        return
    policy = cluster.spec.policy(group)
    least = policy.least_priority if isinstance(policy, ScalingPolicy) else -10
    names = {cluster.node_name(one) for one in leaving}
    if stranded := find_stranded(cluster.api().read_state().nodes, names, least):
        raise InvalidSpec(
            f"group {group} cannot be emptied, because these pods cannot move: "
            f"{first_of(stranded)}; scale or delete their workloads, give another group room for "
            "them, or let them wait with --force"
        )

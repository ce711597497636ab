"""Which machines leave a group, and the last check before one does."""

from collections.abc import Mapping, Sequence

from domain.cloud.records import Instance
from domain.cluster.api import ClusterApi
from domain.kernel.errors import FinalError, InvalidSpec
from domain.kernel.names import MASTERS, NODES, node_name
from domain.kernel.texts import first_of
from domain.node.drain import is_schedulable, must_leave
from domain.spec.cluster import Nodes


def check_count(group: str, count: int, bounds: Nodes) -> None:
    """Refuse a size that the group may not have. Raises `InvalidSpec`."""
    if group == MASTERS:
        raise InvalidSpec(f"{MASTERS} has one machine for now; only {NODES} can be scaled")
    if group != NODES:
        raise InvalidSpec(f"there is no group {group!r}; {NODES} can be scaled")
    if not bounds.minimum <= count <= bounds.maximum:
        raise InvalidSpec(
            f"{count} is outside the bounds of {group}, {bounds.minimum} to {bounds.maximum}; "
            "change nodes.minimum or nodes.maximum with flows.provision --file"
        )


def choose_leaving(
    group: str, machines: Sequence[Instance], count: int, pods: Mapping[str, int]
) -> tuple[Instance, ...]:
    """Choose the machines that leave: the emptiest first, among equals the newest.

    Args:
        pods: workload pods by node name; a machine that is no node counts as empty.
    """
    surplus = max(0, len(machines) - count)
    newest_first = sorted(machines, key=lambda m: (m.created_at, m.id), reverse=True)
    by_load = sorted(newest_first, key=lambda m: pods.get(node_name(group, m.id), 0))
    return tuple(by_load[:surplus])


def check_hand_made(group: str, machines: Sequence[str]) -> None:
    """Refuse to choose who leaves while machines are there that somebody made by hand.

    Args:
        machines: ids of those that carry the group's name, and neither our key nor our trust.

    Raises:
        InvalidSpec: there are some.
    """
    if machines:
        raise InvalidSpec(
            f"{', '.join(machines)} in {group} were made by hand and are never removed; rename or "
            "terminate them first, so that it is clear which machines shall stay"
        )


def check_emptied(api: ClusterApi, node: str) -> None:
    """Make sure that nobody has given the node back since it was emptied; its machine goes next.

    Another evaluator may, when this one was silent for longer than its Lease is valid.

    Raises:
        FinalError: the node takes pods, or runs some.
    """
    seen = api.read("Node", node)
    if seen is None:
        return
    if is_schedulable(seen):
        raise FinalError(f"{node} keeps its machine, because somebody lets it take pods again")
    if back := [pod for pod in api.list_pods(node=node) if must_leave(pod)]:
        names = first_of([f"{pod.namespace}/{pod.name}" for pod in back])
        raise FinalError(f"{node} keeps its machine, because pods run on it again: {names}")

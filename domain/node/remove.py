"""Which machines are removed from a group, and the checks before one is terminated."""

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from domain.cloud.api import Cloud
from domain.cloud.balancer import apply_changes
from domain.cloud.inventory import Inventory, Machines
from domain.cloud.records import Instance
from domain.cluster.api import ClusterApi, Manifest, Node
from domain.kernel.ensured import Ensured
from domain.kernel.errors import FinalError, InvalidSpec
from domain.kernel.names import NODES, node_name
from domain.kernel.texts import first_of
from domain.kernel.waiting import Clock, Pace, wait_for
from domain.node.drain import answers, is_schedulable, must_leave
from domain.node.install import INSTANCE_LABEL
from domain.node.serving import Standing, State
from domain.spec.groups import Nodes


def check_count(group: str, count: int, bounds: Nodes) -> None:
    """Refuse a size outside the group's bounds. Raises `InvalidSpec`."""
    part = "nodes" if group == NODES else f"groups.{group}"
    if not bounds.minimum <= count <= bounds.maximum:
        raise InvalidSpec(
            f"{count} is outside the bounds of {group}, {bounds.minimum} to {bounds.maximum}; "
            f"change {part}.minimum or {part}.maximum with flows.provision --file"
        )


def choose_leaving(
    group: str,
    machines: Sequence[Instance],
    count: int,
    pods: Mapping[str, int],
    standings: Mapping[str, Standing],
) -> tuple[Instance, ...]:
    """Choose the machines to remove: broken ones, then the emptiest, among equals the newest.

    Args:
        pods: workload pods by node name; a machine without a node counts as empty.
        standings: by machine id.
    """
    surplus = max(0, len(machines) - count)
    newest_first = sorted(machines, key=lambda m: (m.created_at, m.id), reverse=True)
    by_load = sorted(newest_first, key=lambda m: pods.get(node_name(group, m.id), 0))
    by_state = sorted(by_load, key=lambda m: not standings[m.id].is_broken)
    return tuple(by_state[:surplus])


def find_named(
    group: str, machines: Sequence[Instance], names: Sequence[str]
) -> tuple[Instance, ...]:
    """Find machines of a group by their ids or by the names of their nodes, each once.

    Raises:
        InvalidSpec: the group has no such machine; the message lists those that it has.
    """
    known = {machine.id: machine for machine in machines}
    known |= {node_name(group, machine.id): machine for machine in machines}
    if unknown := [name for name in names if name not in known]:
        has = first_of([machine.id for machine in machines]) if machines else "none"
        raise InvalidSpec(f"group {group} has no machine {unknown[0]!r}; it has {has}")
    return tuple(dict.fromkeys(known[name] for name in names))


def check_hand_made(group: str, machines: Sequence[str]) -> None:
    """Refuse to choose machines to remove while the group has machines that were made by hand.

    Args:
        machines: ids of those with the group's name, without our key pair and a pinned host key.

    Raises:
        InvalidSpec: there are some.
    """
    if machines:
        raise InvalidSpec(
            f"{', '.join(machines)} in {group} were made by hand and are never removed; rename or "
            "terminate them first, so that it is clear which machines are to stay"
        )


def check_still_broken(machine: str, standing: Standing) -> None:
    """Refuse to terminate a machine that was broken when its removal began, and is not now.

    One that is being deleted is none: a call whose reply was lost has acted.

    Raises:
        FinalError: it boots or serves again.
    """
    if not standing.is_broken and standing.state is not State.LEAVING:
        raise FinalError(f"{machine} stays, because it is not broken any more: {standing.words}")


def check_emptied(api: ClusterApi, node: str) -> None:
    """Refuse to terminate the machine of a node that was uncordoned since it was emptied.

    Another evaluator may have done that, if this one has not renewed its Lease in time.

    Raises:
        FinalError: the node accepts pods, or runs some.
    """
    seen = api.read("Node", node)
    if seen is None:
        return
    if is_schedulable(seen):
        raise FinalError(f"{node} keeps its machine, because it was uncordoned meanwhile")
    if not answers(seen):
        return
    if back := [pod for pod in api.list_pods(node=node) if must_leave(pod)]:
        names = first_of([f"{pod.namespace}/{pod.name}" for pod in back])
        raise FinalError(f"{node} keeps its machine, because pods run on it again: {names}")


def find_lost_nodes(nodes: Sequence[Node], machines: Machines) -> tuple[str, ...]:
    """The names of nodes that we joined, and whose machine does not exist any more."""
    existing = {machine.id for machine in machines.instances}
    return tuple(
        node.name
        for node in nodes
        if (instance := node.labels.get(INSTANCE_LABEL)) and instance not in existing
    )


class VolumeApi(Protocol):
    """The part of a cluster's API that the wait for volumes uses."""

    def read(self, kind: str, name: str, namespace: str = "") -> Manifest | None: ...
    def list_attached_volumes(self, node: str) -> list[str]: ...


VOLUMES_DEADLINE = 120.0
"""Seconds for the volumes of an emptied node to be detached."""


def wait_until_detached(api: VolumeApi, node: str, clock: Clock = time) -> Ensured[None]:
    """Wait until no volume is attached to the emptied node: termination would corrupt it.

    From a node whose kubelet does not report nothing is detached, and nothing is waited for.
    """
    attached = api.list_attached_volumes(node)
    if not attached:
        return Ensured(None, "none was attached")

    def detached() -> str | None:
        seen = api.read("Node", node)
        if seen is None or not answers(seen):
            return f"{first_of(attached)} stay attached, because {node} does not report"
        return None if api.list_attached_volumes(node) else f"{len(attached)} detached"

    did = wait_for(
        detached,
        what=f"volumes {first_of(attached)} detached from {node}",
        pace=Pace(timeout=VOLUMES_DEADLINE),
        clock=clock,
    )
    return Ensured(None, did)


def remove_backends(
    cloud: Cloud, machine: Instance, inventory: Inventory, clock: Clock = time
) -> Ensured[None]:
    """Remove a machine from the load balancer, so that it gets no more connections."""
    balancer = inventory.balancer
    ids = [one.id for one in inventory.backends if one.instance_id == machine.id]
    if not ids or balancer is None:
        return Ensured(None, "it has none")
    cloud.delete_backends(ids)
    apply_changes(cloud, balancer, clock)
    return Ensured(None, f"removed from {len(ids)}")

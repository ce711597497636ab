"""The standing of each machine of a snapshot, and of nodes that have lost their machine."""

from domain.autoscaling.see.snapshot import Snapshot
from domain.node.install import INSTANCE_LABEL
from domain.node.serving import Kubelet, Machine, Patience, Standing, State, find_standing
from domain.spec.scaling import ScalingPolicy


def standings_of(snapshot: Snapshot, policy: ScalingPolicy) -> dict[str, Standing]:
    """Find the standing of each machine by its id, and of each node without one by its name.

    Only nodes that we joined are among the latter; a node that was joined by hand may have a
    machine elsewhere.
    """
    patience = Patience(boot=policy.boot_seconds)
    nodes = {node.name: node for node in snapshot.nodes}
    standings: dict[str, Standing] = {}
    for machine in snapshot.machines:
        node = nodes.get(machine.node)
        age = (snapshot.time - machine.created_at).total_seconds()
        standings[machine.id] = find_standing(
            Machine(machine.status, machine.transition, age),
            Kubelet(node.ready, node.unready_seconds) if node else None,
            leaving=machine.leaving,
            patience=patience,
        )
    known = {machine.node for machine in snapshot.machines}
    for node in snapshot.nodes:
        if node.group == policy.group and node.name not in known and INSTANCE_LABEL in node.labels:
            standings[node.name] = find_standing(None, Kubelet(node.ready, node.unready_seconds))
    return standings


def count_useless(snapshot: Snapshot, policy: ScalingPolicy) -> int:
    """Count the group's machines that are broken or being removed; the cloud lists them, too."""
    standings = standings_of(snapshot, policy)
    useless = (State.BROKEN, State.LEAVING)
    return sum(standings[machine.id].state in useless for machine in snapshot.machines)

"""What an interrupted run has left unfinished, and the command that finishes it.

It needs no description of the cluster and no answer of its API; what these add is named as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.cloud.inventory import Inventory
from domain.cluster.api import Node
from domain.kernel.names import MASTERS, NODES
from domain.node import f2cadm
from domain.node.install import INSTANCE_LABEL
from domain.node.ready import is_marked
from domain.node.remove import find_lost_nodes
from domain.node.serving import find_off


@dataclass(frozen=True, slots=True)
class Unfinished:
    """One thing that is not finished, such as `machine i-1a2b3c4d` `is not a node`."""

    resource: str
    state: str
    command: str


@dataclass(frozen=True, slots=True)
class InCluster:
    """What the cluster's own API has.

    Attributes:
        wanted: the stored sizes of the groups of nodes; None where no description is stored.
        tokens: ids of the join tokens that our runs have made.
    """

    nodes: Sequence[Node]
    wanted: Mapping[str, int] | None = None
    tokens: Sequence[str] = ()


def find_unfinished(
    seen: Inventory, in_cluster: InCluster | None, *, is_ending: bool = False
) -> tuple[Unfinished, ...]:
    """Find what is not finished; nothing for a cluster that does not exist.

    Args:
        in_cluster: None while the API does not answer; no node is named then.
        is_ending: whether a teardown has begun, which everything else follows from.
    """
    name = seen.name
    if seen.is_empty:
        return ()
    if is_ending:
        down = f"python -m flows.teardown --name {name}"
        return (Unfinished(f"cluster {name}", "is being torn down", down),)
    finish = f"python -m flows.provision --name {name}"
    found = [*_in_the_cloud(seen)]
    if in_cluster is not None:
        found += _in_the_cluster(seen, in_cluster)
    elif seen.masters:
        found.append(("Kubernetes API", "does not answer: not installed yet, or down"))
    lines = [Unfinished(resource, state, finish) for resource, state in found]
    for group in seen.groups:
        if group != MASTERS or len(seen.masters) > 1:
            lines += _too_many(seen, group, in_cluster.wanted if in_cluster else None)
    return tuple(lines)


def _too_many(
    seen: Inventory, group: str, wanted: Mapping[str, int] | None
) -> Iterator[Unfinished]:
    """The machines of a group that are to be removed: broken ones, and those above its size."""
    machines = seen.group(group)
    scale = f"python -m flows.scale --name {seen.name}"
    scale += f" --group {group}" if group != NODES else ""
    off = [(machine, fault) for machine in machines if (fault := find_off(machine))]
    for one, fault in off:
        replace = f"python -m flows.repair --name {seen.name}"
        yield Unfinished(f"machine {one.id}", f"is broken: {fault}", replace)
    if wanted is not None and len(machines) > (described := wanted.get(group, 0)):
        state = f"has {len(machines)} machines, and {described} are described"
        yield Unfinished(f"group {group}", state, f"{scale} --count {described}")


def _in_the_cloud(seen: Inventory) -> Iterator[tuple[str, str]]:
    parts = {
        "router": seen.vpc,
        "private network": seen.vxnets,
        "public address": seen.address,
        "load balancer": seen.balancer,
        "firewall": seen.firewall,
        "security group of the machines": seen.machine_group,
        "key pair": seen.keypair,
        "master": seen.masters,
    }
    if missing := [part for part, found in parts.items() if not found]:
        yield f"cluster {seen.name}", f"has no {', no '.join(missing)}"
    if seen.vpc and seen.address and not seen.address.bound_to:
        yield f"public address {seen.address.id}", "is not bound to the router"
    if seen.vpc and not seen.forwards:
        yield f"router {seen.vpc.id}", "forwards no port"
    if seen.balancer and not seen.balancer.is_applied:
        yield f"load balancer {seen.balancer.id}", "has changes that are not applied"
    if seen.balancer and not seen.listeners:
        yield f"load balancer {seen.balancer.id}", "has no listener"
    used = {backend.listener_id for backend in seen.backends}
    for listener in seen.listeners:
        if listener.id not in used:
            yield f"listener {listener.name}", "has no backend"
    existing = {machine.id for machine in seen.instances}
    for backend in seen.backends:
        if backend.instance_id not in existing:
            yield f"backend {backend.id}", f"is of machine {backend.instance_id}, which is gone"
    if seen.tag and (bare := len(seen.resource_ids.difference(seen.tag.resource_ids))):
        yield f"tag {seen.tag.name}", f"is missing on {bare} of {len(seen.resource_ids)} resources"


def _in_the_cluster(seen: Inventory, cluster: InCluster) -> Iterator[tuple[str, str]]:
    joined = {node.labels.get(INSTANCE_LABEL) for node in cluster.nodes}
    for machine in seen.instances:
        if machine.id not in joined:
            yield f"machine {machine.id}", "is billed and is not a node"
    existing = {machine.id for machine in seen.instances}
    for node in cluster.nodes:
        if node.labels.get(INSTANCE_LABEL) in existing and not is_marked(node):
            yield f"node {node.name}", "lacks labels or annotations that our runs set"
    for machine in f2cadm.lacking(cluster.nodes, f2cadm.roster_of(seen)):
        yield f"f2cadm on machine {machine.id}", "does not list the present machines"
    serving = {backend.instance_id for backend in seen.backends}
    for machine in seen.masters:
        if machine.id in joined and machine.id not in serving:
            yield f"master {machine.id}", "is not behind the load balancer"
    for lost in find_lost_nodes(cluster.nodes, seen):
        yield f"node {lost}", "has no machine any more"
    if cluster.wanted is None:
        yield f"cluster {seen.name}", "has no stored description"
    for group, wanted in (cluster.wanted or {}).items():
        if (exist := len(seen.group(group))) < wanted:
            yield f"group {group}", f"has {exist} of {wanted} machines"
    for token in cluster.tokens:
        yield f"join token {token}", "was left by a run that was killed"

"""The states of cluster and group, and the snapshot that is built from them."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.autoscaling.see.snapshot import (
    Budget,
    SeenMachine,
    SeenNode,
    SeenPod,
    Snapshot,
)
from domain.autoscaling.see.templates import (
    find_templates,
    nodes_by_type,
    wanted_types,
    with_promised,
)
from domain.cloud.records import Instance, InstanceType
from domain.kernel.names import node_name
from domain.node.serving import ENDING
from domain.observe.metrics.records import WindowStatistics
from domain.spec.cluster import ClusterSpec
from domain.spec.scaling import ScalingPolicy

LEAVING = "k8s-qingcloud/leaving"
"""Annotation of a node that an evaluator drains; its value names the evaluator."""

RIVAL = re.compile(r"(^|-)(cluster-autoscaler|karpenter)(-[a-z0-9]+){1,2}$")
"""Names of the pods of other autoscalers, which would undo our changes."""


CLOCKS_AGREE = timedelta(minutes=1)
"""Clocks that differ by more are named."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A node that an evaluator has begun to drain."""

    node: str
    holder: str


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The state of a cluster at one moment, from its API server.

    Args:
        pending: pods that the scheduler has marked unschedulable.
        time: of the API server's clock, if that is known.
        daemons: one pod of each DaemonSet, as its template describes it.
        held: pods that wait for something that no machine gives.
    """

    nodes: tuple[SeenNode, ...]
    pending: tuple[SeenPod, ...] = ()
    budgets: tuple[Budget, ...] = ()
    marked: tuple[Marked, ...] = ()
    time: datetime | None = None
    daemons: tuple[SeenPod, ...] = ()
    held: tuple[SeenPod, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupState:
    """The state of a group's machines, from the cloud.

    Args:
        machines: those that exist.
        known: ids of the machines whose host keys we pinned, which are those that we installed.
        types: instance types of the zone; may be empty where each wanted type has a node.
        lag: of the cloud's clock behind ours; moments of the cloud are converted already.
    """

    machines: Sequence[Instance]
    known: Collection[str]
    types: Sequence[InstanceType] = ()
    lag: timedelta = timedelta()


def take_snapshot(
    cluster: ClusterState,
    group: GroupState,
    spec: ClusterSpec,
    policy: ScalingPolicy,
    statistics: Mapping[int, Sequence[WindowStatistics]],
    now: datetime,
) -> Snapshot:
    """Build the snapshot.

    A node that is being removed counts as not Ready. A young one has the extended resources of its
    group's template before its device plugins have told kubelet of them.
    """
    machines = see_machines(cluster, group, policy.group)
    bounds = spec.nodes_of(policy.group)
    leaving = {machine.node for machine in machines if machine.leaving}
    boot = timedelta(seconds=policy.boot_seconds)
    young = {machine.node for machine in machines if now - machine.created_at < boot}

    def see(node: SeenNode) -> SeenNode:
        if node.name in young:
            has = with_promised(node.allocatable, bounds.template.resources)
            node = replace(node, allocatable=has)
        return replace(node, ready=False) if node.name in leaving else node

    return Snapshot(
        time=now,
        minimum=bounds.minimum,
        maximum=bounds.maximum,
        nodes=tuple(see(node) for node in cluster.nodes),
        machines=machines,
        templates=find_templates(
            nodes_by_type(cluster.nodes, group.machines, policy.group),
            cluster.daemons,
            group.types,
            spec,
            policy,
        ),
        pending=cluster.pending,
        held=cluster.held,
        statistics=statistics,
        budgets=cluster.budgets,
        pods_per_node=spec.kubernetes.pods_per_node,
        rivals=find_rivals(cluster.nodes),
        doubts=tuple(find_doubts(now, cluster.time, group.lag)),
    )


def find_doubts(now: datetime, cluster: datetime | None, lag: timedelta) -> Iterator[str]:
    """Yield the clocks that differ from ours by more than a minute; ages do not depend on that."""
    behind = now - cluster if cluster else timedelta()
    for whose, difference in (("the cloud's", lag), ("the cluster's", behind)):
        if abs(difference) > CLOCKS_AGREE:
            minutes = abs(difference) / timedelta(minutes=1)
            side = "behind" if difference > timedelta() else "ahead of"
            yield f"{whose} clock is {minutes:.0f} min {side} this machine's"


def find_rivals(nodes: Sequence[SeenNode]) -> tuple[str, ...]:
    """Running pods of cluster-autoscaler or Karpenter, by the names of their charts."""
    return tuple(
        pod.title
        for node in nodes
        for pod in node.pods
        if pod.owner == "ReplicaSet" and RIVAL.search(pod.name)
    )


def see_machines(cluster: ClusterState, group: GroupState, name: str) -> tuple[SeenMachine, ...]:
    """The group's machines. One that has a node but no pinned host key is not ours."""
    nodes = {node.name for node in cluster.nodes}
    marked = {mark.node for mark in cluster.marked}
    return tuple(
        SeenMachine(
            id=machine.id,
            node=node,
            created_at=machine.created_at,
            ours=machine.id in group.known or node not in nodes,
            leaving=machine.transition in ENDING or node in marked,
            status=machine.status,
            transition=machine.transition,
        )
        for machine in group.machines
        for node in (node_name(name, machine.id),)
    )


def unseen_types(
    cluster: ClusterState, machines: Sequence[Instance], spec: ClusterSpec, policy: ScalingPolicy
) -> tuple[str, ...]:
    """Wanted types without a node; their resources must be read from the cloud."""
    seen = nodes_by_type(cluster.nodes, machines, policy.group)
    return tuple(one for one in wanted_types(spec, policy) if one not in seen)

"""The states of cluster and group, and the snapshot that is built from them."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.autoscaling.see.placement import HOSTNAME
from domain.autoscaling.see.snapshot import (
    Budget,
    Resources,
    SeenMachine,
    SeenNode,
    SeenPod,
    Snapshot,
    Template,
)
from domain.cloud.records import Instance, InstanceType
from domain.kernel.names import node_name
from domain.node.install import GROUP_LABEL, INSTANCE_LABEL
from domain.node.serving import ENDING
from domain.observe.metrics.records import WindowStatistics
from domain.spec.cluster import ClusterSpec
from domain.spec.scaling import ScalingPolicy

LEAVING = "k8s-qingcloud/leaving"
"""Annotation of a node that an evaluator drains; its value names the evaluator."""

RIVAL = re.compile(r"(^|-)(cluster-autoscaler|karpenter)(-[a-z0-9]+){1,2}$")
"""Names of the pods of other autoscalers, which would undo our changes."""

KUBELET_KEEPS = 100 * 2**20
"""Bytes of memory that the kubelet reserves (its eviction threshold)."""

DISK_FOR_PODS = 0.85
"""Share of the system disk for pods; the rest is the kubelet's reserve and the file system's."""


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
    """

    nodes: tuple[SeenNode, ...]
    pending: tuple[SeenPod, ...] = ()
    budgets: tuple[Budget, ...] = ()
    marked: tuple[Marked, ...] = ()
    time: datetime | None = None


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
    """Build the snapshot; a node that is being removed counts as not Ready."""
    machines = see_machines(cluster, group, policy.group)
    leaving = {machine.node for machine in machines if machine.leaving}
    return Snapshot(
        time=now,
        minimum=spec.nodes.minimum,
        maximum=spec.nodes.maximum,
        nodes=tuple(
            replace(node, ready=False) if node.name in leaving else node for node in cluster.nodes
        ),
        machines=machines,
        templates=find_templates(cluster, group, spec, policy),
        pending=cluster.pending,
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


def wanted_types(spec: ClusterSpec, policy: ScalingPolicy) -> tuple[str, ...]:
    """The instance types of new machines, the preferred one first."""
    return policy.instance_types or (spec.template(policy.group).instance_type,)


def unseen_types(
    cluster: ClusterState, machines: Sequence[Instance], spec: ClusterSpec, policy: ScalingPolicy
) -> tuple[str, ...]:
    """Wanted types without a node as an example; their resources must be read from the cloud."""
    seen = _examples(cluster, machines, policy.group)
    return tuple(one for one in wanted_types(spec, policy) if one not in seen)


def find_templates(
    cluster: ClusterState, group: GroupState, spec: ClusterSpec, policy: ScalingPolicy
) -> tuple[Template, ...]:
    """The templates of new machines, from a node of the same type or else from the cloud's list."""
    examples = _examples(cluster, group.machines, policy.group)
    offered = {one.id: one for one in group.types}
    siblings = [node for node in cluster.nodes if node.group == policy.group]
    labels = _shared_labels(siblings) or {GROUP_LABEL: policy.group}
    disk, templates = spec.template(policy.group).disk_gib, []
    for name in wanted_types(spec, policy):
        if node := examples.get(name):
            templates.append(_template(name, node.allocatable, labels, node))
        elif name in offered:
            like = siblings[0] if siblings else None
            templates.append(_template(name, _promised(offered[name], disk), labels, like))
    return tuple(templates)


def _examples(
    cluster: ClusterState, machines: Sequence[Instance], group: str
) -> dict[str, SeenNode]:
    types = {node_name(group, machine.id): machine.type_id for machine in machines}
    return {
        types[node.name]: node
        for node in sorted(cluster.nodes, key=lambda node: node.ready)  # Ready ones have daemons
        if node.name in types and node.allocatable.cpu_millis
    }


def _shared_labels(nodes: Sequence[SeenNode]) -> dict[str, str]:
    """The labels that all nodes of the group share.

    A label of one machine alone is left out: machines bought for pods that require it would not
    have it.
    """
    if not nodes:
        return {}
    own = (HOSTNAME, INSTANCE_LABEL)
    shared = set(nodes[0].labels.items()).intersection(*(node.labels.items() for node in nodes))
    return {key: value for key, value in shared if key not in own}


def _template(
    name: str, allocatable: Resources, labels: Mapping[str, str], like: SeenNode | None
) -> Template:
    """An empty machine without the resources of its DaemonSet pods.

    Taints are left out: a node's are temporary, while it boots or fails, and we set none.
    """
    daemons = [pod.requests for pod in like.pods if not pod.is_workload] if like else []
    taken = Counter[str]()
    for one in daemons:
        taken.update(dict(one.others))
    rest = Resources(
        allocatable.cpu_millis - sum(one.cpu_millis for one in daemons),
        allocatable.memory_bytes - sum(one.memory_bytes for one in daemons),
        tuple((what, amount - taken[what]) for what, amount in allocatable.others),
    )
    return Template(name, rest, labels)


def _promised(offer: InstanceType, disk_gib: int) -> Resources:
    disk = int(disk_gib * 2**30 * DISK_FOR_PODS)
    memory = offer.memory_mib * 2**20 - KUBELET_KEEPS
    return Resources(offer.vcpus * 1000, memory, (("ephemeral-storage", disk),))

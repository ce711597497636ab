"""What a new machine of an instance type will offer, computed before it exists.

Nothing is copied from one example node. Labels are those that each kubelet, the installers and we
set. Resources follow from the type, and are corrected by all nodes of this type. DaemonSets run on
the machine if their own selectors and tolerations say so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from domain.autoscaling.see.placement import HOSTNAME, Taint
from domain.autoscaling.see.snapshot import Resources, SeenNode, SeenPod, Template
from domain.cloud.records import Instance, InstanceType
from domain.kernel.names import node_name
from domain.node.install import GROUP_LABEL, INSTANCE_LABEL
from domain.node.ready import WORKER
from domain.spec.cluster import ClusterSpec
from domain.spec.labels import parse_taint
from domain.spec.scaling import ScalingPolicy

KUBELET_LABELS = {
    "beta.kubernetes.io/arch": "amd64",
    "beta.kubernetes.io/os": "linux",
    "kubernetes.io/arch": "amd64",
    "kubernetes.io/os": "linux",
}
"""The labels that kubelet sets on every node, beside its host name."""

CLOUD_LABELS = (
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
)
TYPE_LABELS = ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type")
"""The labels that a cloud controller manager sets, of all nodes and of those of one type."""

EVICTION = 100 * 2**20
"""Bytes of memory below which kubelet evicts pods, by default; not allocatable.

Our installers reserve nothing else (`kubeReserved`, `systemReserved`).
"""

KERNEL = 96 * 2**20
PAGE_RECORDS = 64
"""What Linux keeps for itself before it counts memory, and so before kubelet does: its image and
the firmware's areas, and a record of 64 bytes for each page of 4 KiB."""

DISK_FOR_PODS = 0.85
"""Share of the system disk for pods: the file system keeps some, kubelet evicts at 10 % free."""


def wanted_types(spec: ClusterSpec, policy: ScalingPolicy) -> tuple[str, ...]:
    """The instance types of new machines, the preferred one first."""
    return policy.instance_types or spec.template(policy.group).types


def nodes_by_type(
    nodes: Iterable[SeenNode], machines: Iterable[Instance], group: str
) -> dict[str, list[SeenNode]]:
    """The group's nodes that have reported their resources, by instance type."""
    types = {node_name(group, machine.id): machine.type_id for machine in machines}
    found: dict[str, list[SeenNode]] = {}
    for node in nodes:
        if node.name in types and node.allocatable.cpu_millis:
            found.setdefault(types[node.name], []).append(node)
    return found


def find_templates(
    seen: Mapping[str, Sequence[SeenNode]],
    daemons: Iterable[SeenPod],
    offers: Iterable[InstanceType],
    spec: ClusterSpec,
    policy: ScalingPolicy,
) -> tuple[Template, ...]:
    """The templates of new machines, the preferred one first.

    Args:
        seen: nodes of the group by instance type.
        daemons: one pod of each DaemonSet of the cluster.
        offers: the cloud's types; those of `seen` may be missing.
    """
    wanted = spec.nodes_of(policy.group).template
    daemons, offered = list(daemons), {one.id: one for one in offers}
    everyone = [node for nodes in seen.values() for node in nodes]
    labels = {
        **KUBELET_LABELS,
        **_shared(everyone, CLOUD_LABELS),
        **WORKER,
        GROUP_LABEL: policy.group,
        **wanted.labels,
    }
    taints = tuple(Taint(*parse_taint(text)) for text in wanted.taints)
    templates = []
    for name in wanted_types(spec, policy):
        alike = seen.get(name, ())
        if alike:
            resources, places = _least(alike)
        elif name in offered:
            resources, places = _promised(offered[name], wanted.disk_gib), spec.kubernetes.max_pods
        else:
            continue
        template = Template(
            name,
            with_promised(resources, _as_shown(wanted.resources, alike)),
            {**labels, **_shared(alike, TYPE_LABELS)},
            taints,
            places=min(places, spec.kubernetes.max_pods),
            is_seen=bool(alike),
        )
        templates.append(replace(template, daemons=_daemons_on(template, daemons)))
    return tuple(templates)


def with_promised(resources: Resources, promised: Mapping[str, int]) -> Resources:
    """Add the extended resources of a template where they are not shown."""
    shown = {name: amount for name, amount in resources.others if amount or name not in promised}
    return replace(resources, others=tuple((dict(promised) | shown).items()))


def _as_shown(promised: Mapping[str, int], nodes: Sequence[SeenNode]) -> dict[str, int]:
    """The promised resources; less where every node that shows one at all shows less."""
    found = {
        name: [dict(node.allocatable.others).get(name, 0) for node in nodes] for name in promised
    }
    return {name: min([amount, *filter(None, found[name])]) for name, amount in promised.items()}


def machine_labels(template: Template, name: str) -> dict[str, str]:
    """The labels of one new machine, with those that name the machine itself."""
    return {**template.labels, HOSTNAME: name, INSTANCE_LABEL: name}


def _daemons_on(template: Template, daemons: Iterable[SeenPod]) -> tuple[SeenPod, ...]:
    labels = machine_labels(template, "new")
    return tuple(
        pod
        for pod in daemons
        if pod.placement.accepts_labels(labels) and pod.placement.tolerates(template.taints)
    )


def _shared(nodes: Sequence[SeenNode], keys: Iterable[str]) -> dict[str, str]:
    """Those of the labels that all nodes have with one value."""
    values = {key: {node.labels.get(key) for node in nodes} for key in keys}
    return {
        key: value for key, found in values.items() if len(found) == 1 and (value := found.pop())
    }


def _least(nodes: Sequence[SeenNode]) -> tuple[Resources, int]:
    """The least that a node of a type has shown of each resource, and of places for pods.

    Extended resources, such as `nvidia.com/gpu`, are left out: a device plugin or a person has
    added them to a node, and the next machine may lack them. The template of the group promises
    those that count.
    """
    amounts = [dict(node.allocatable.others) for node in nodes]
    names = sorted(name for name in amounts[0] if "/" not in name)
    return Resources(
        min(node.allocatable.cpu_millis for node in nodes),
        min(node.allocatable.memory_bytes for node in nodes),
        tuple((name, min(one.get(name, 0) for one in amounts)) for name in names),
    ), min(node.places for node in nodes)


def _promised(offer: InstanceType, disk_gib: int) -> Resources:
    """What kubelet will report as allocatable on a machine of a type."""
    memory = offer.memory_mib * 2**20
    memory -= KERNEL + memory // PAGE_RECORDS + EVICTION
    disk = int(disk_gib * 2**30 * DISK_FOR_PODS)
    return Resources(offer.vcpus * 1000, max(memory, 0), (("ephemeral-storage", disk),))

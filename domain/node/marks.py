"""The labels and taints of a group's template on its nodes.

A kubelet registers its node with them, so that no pod comes before the taints. When the template
changes later, its nodes are changed in place. What others have set stays: an annotation of each
node holds what we have set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.cluster.api import ClusterApi, Node
from domain.node.install import GROUP_LABEL
from domain.spec.cluster import ClusterSpec
from domain.spec.groups import NodeTemplate

LABELS = "k8s-qingcloud/labels"
TAINTS = "k8s-qingcloud/taints"
"""Annotations: the keys of the labels, and the taints, that a template has given to a node."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a node lacks, or has too much, of its template.

    Attributes:
        labels: values to set; None removes a label.
        add, remove: taints such as `gpu=true:NoSchedule`.
    """

    labels: Mapping[str, str | None] = field(default_factory=dict)
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    annotations: Mapping[str, str | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.labels or self.add or self.remove or self.annotations)


def find_changes(node: Node, spec: ClusterSpec) -> Changes:
    """Compare a node with its group's template; a node of another group has no changes."""
    group = spec.node_groups.get(node.labels.get(GROUP_LABEL, ""))
    return _compare(node, group.template) if group else Changes()


def _compare(node: Node, template: NodeTemplate) -> Changes:
    ours = _listed(node, LABELS)
    stale = (key for key in ours if key not in template.labels and key in node.labels)
    missing = {k: v for k, v in template.labels.items() if node.labels.get(k) != v}
    kept = {LABELS: ",".join(sorted(template.labels)), TAINTS: ",".join(sorted(template.taints))}
    return Changes(
        labels={**dict.fromkeys(stale), **missing},
        add=tuple(taint for taint in template.taints if taint not in node.taints),
        remove=tuple(
            taint
            for taint in _listed(node, TAINTS)
            if taint not in template.taints and taint in node.taints
        ),
        annotations={
            name: text or None
            for name, text in kept.items()
            if node.annotations.get(name, "") != text
        },
    )


def _listed(node: Node, annotation: str) -> list[str]:
    return [one for one in node.annotations.get(annotation, "").split(",") if one]


def apply_changes(api: ClusterApi, node: Node, changes: Changes) -> None:
    """Bring a node's labels and taints to its template; the record of them comes first."""
    if changes.annotations:
        api.annotate_node(node.name, changes.annotations)
    if changes.labels:
        api.label_node(node.name, changes.labels)
    if changes.add or changes.remove:
        api.taint_node(node.name, changes.add, changes.remove)

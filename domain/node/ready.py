"""The wait for a joined machine to be a Ready node."""

import time

from domain.cluster.api import ClusterApi, Node
from domain.kernel.ensured import Ensured
from domain.kernel.names import MASTERS
from domain.kernel.waiting import Clock, wait_for
from domain.node.install import ADOPTED_LABEL, GROUP_LABEL, INSTANCE_LABEL

WORKER = {"node-role.kubernetes.io/worker": ""}
"""A kubelet may not set this label on its own node, so we do."""


INSTANCE_ANNOTATION = "node.beta.kubernetes.io/instance-id"
"""QingCloud's cloud controller manager takes a node's machine from here, or else the node's name
for the id of its machine, which it is not here."""


def wait_until_ready(api: ClusterApi, name: str, clock: Clock = time) -> Ensured[Node]:
    """Wait until a node is Ready, and set its role's label and its machine's annotation."""

    def ready() -> Node | None:
        node = api.read_node(name)
        return node if node and node.ready else None

    node = wait_for(ready, what=f"node {name} Ready", clock=clock)
    mark_node(api, node)
    return Ensured(node, f"Ready, {node.version}")


def mark_node(api: ClusterApi, node: Node) -> bool:
    """Set what a kubelet may or can not set on its own node. Returns: whether it was missing."""
    if _lacks_role(node):
        api.label_node(node.name, WORKER)
    if _lacks_machine(node):
        api.annotate_node(node.name, {INSTANCE_ANNOTATION: _machine_of(node)})
    return not is_marked(node)


def is_marked(node: Node) -> bool:
    """Whether a node had all that `mark_node` sets when it was read."""
    return not (_lacks_role(node) or _lacks_machine(node))


def _lacks_role(node: Node) -> bool:
    of_nodes = node.labels.get(GROUP_LABEL, MASTERS) != MASTERS
    return of_nodes and not WORKER.keys() <= node.labels.keys()


def _lacks_machine(node: Node) -> bool:
    machine = _machine_of(node)
    return machine is not None and node.annotations.get(INSTANCE_ANNOTATION) != machine


def _machine_of(node: Node) -> str | None:
    return node.labels.get(INSTANCE_LABEL) or node.labels.get(ADOPTED_LABEL)

"""The wait for a joined machine to be a Ready node."""

import time

from domain.cluster.api import ClusterApi, Node
from domain.kernel.ensured import Ensured
from domain.kernel.names import NODES
from domain.kernel.waiting import Clock, wait_for
from domain.node.install import GROUP_LABEL

WORKER = {"node-role.kubernetes.io/worker": ""}
"""A kubelet may not set this label on its own node, so we do."""


def is_finished(node: Node) -> bool:
    """Whether a node is Ready and has the label of its role."""
    is_worker = node.labels.get(GROUP_LABEL) == NODES
    return node.ready and (not is_worker or WORKER.keys() <= node.labels.keys())


def wait_until_ready(api: ClusterApi, name: str, clock: Clock = time) -> Ensured[Node]:
    """Wait until a node is Ready, and set the label of its role on a worker."""

    def ready() -> Node | None:
        node = api.read_node(name)
        return node if node and node.ready else None

    node = wait_for(ready, what=f"node {name} Ready", clock=clock)
    if not is_finished(node):
        api.label_node(node.name, WORKER)
    return Ensured(node, f"Ready, {node.version}")

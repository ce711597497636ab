"""When a machine that has joined is a Ready node."""

import time
from collections.abc import Sequence

from domain.cluster.api import ClusterApi, Node
from domain.kernel.ensured import Ensured
from domain.kernel.waiting import Clock, wait_for


def wait_for_nodes(
    api: ClusterApi, names: Sequence[str], clock: Clock = time
) -> Ensured[tuple[Node, ...]]:
    """Wait until all these nodes are Ready, in one call a look for all of them."""

    def ready() -> tuple[Node, ...] | None:
        found = {node.name: node for node in api.list_nodes()}
        nodes = tuple(found[name] for name in names if name in found and found[name].ready)
        return nodes if len(nodes) == len(names) else None

    nodes = wait_for(ready, what=f"nodes {', '.join(names)} Ready", clock=clock)
    return Ensured(nodes, f"{len(nodes)} Ready")

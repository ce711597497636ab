"""Do all machines serve as nodes?"""

from collections.abc import Mapping, Sequence

from domain.cluster.api import Node
from domain.health.findings import Finding, Subject, trouble, warning, well
from domain.kernel.texts import first_of
from domain.node.serving import Standing, State


def check_nodes(cluster: str, standings: Mapping[str, Standing], nodes: Sequence[Node]) -> Finding:
    """Check that each machine is a Ready node.

    Args:
        standings: by the names of nodes, those included whose machine is gone.
    """

    def named(*states: State) -> list[str]:
        return [
            f"{name} ({standing.fault or standing.state})"
            for name, standing in sorted(standings.items())
            if standing.state in states
        ]

    if broken := named(State.BROKEN):
        replace = f"Replace them with: python -m flows.repair --name {cluster}"
        return trouble(Subject.NODES, f"broken: {first_of(broken)}", replace)
    if unready := named(State.NOT_READY):
        return trouble(
            Subject.NODES,
            f"not Ready: {first_of(unready)}",
            "Their pods start elsewhere after 300 s. Look there with: journalctl -u kubelet",
        )
    unfinished = named(State.BOOTING, State.LEAVING)
    if unfinished:
        return warning(Subject.NODES, f"come or go: {first_of(unfinished)}")
    if cordoned := sorted(node.name for node in nodes if not node.schedulable):
        return warning(Subject.NODES, f"take no pods: {first_of(cordoned)}", "They are cordoned")
    return well(Subject.NODES, f"{len(nodes)} Ready")

"""Machines with their nodes, and the choice of those to show when there are too many."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.reports.cluster import ClusterReport, MachineLine, NodeLine


class MachineState(StrEnum):
    """`CORDONED` is ready but takes no new pods; `NO_NODE` boots or leaves."""

    READY = "Ready"
    CORDONED = "cordoned"
    NOT_READY = "NotReady"
    NO_NODE = "no node"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class MachineView:
    """A machine with its node; `node` is None before it has joined and after its removal."""

    machine: MachineLine
    node: NodeLine | None

    @property
    def state(self) -> MachineState:
        if self.machine.fault:
            return MachineState.BROKEN
        if self.node is None:
            return MachineState.NO_NODE
        if not self.node.ready:
            return MachineState.NOT_READY
        return MachineState.READY if self.node.schedulable else MachineState.CORDONED

    @property
    def state_text(self) -> str:
        """The state, with the reason of a broken machine, or else the cloud's word for its own."""
        if self.machine.fault:
            return f"{self.state}: {self.machine.fault}"
        if self.machine.status == "running":
            return self.state.value
        return f"{self.state} ({self.machine.status or 'unknown'})"


def match_machines(report: ClusterReport) -> tuple[MachineView, ...]:
    """Match each machine with the node of its name, in the report's order."""
    nodes = {node.name: node for node in report.nodes}
    return tuple(MachineView(machine, nodes.get(machine.name)) for machine in report.machines)


def find_lone_nodes(report: ClusterReport) -> tuple[NodeLine, ...]:
    """Nodes whose machine was deleted or was never ours, adopted ones included."""
    names = {machine.name for machine in report.machines}
    return tuple(node for node in report.nodes if node.name not in names)


def lone_lines(report: ClusterReport) -> list[str]:
    """Sentences about these nodes: what an adopted machine does, and who has lost theirs."""
    lone = find_lone_nodes(report)
    lines = [
        f"Adopted machine {node.adopted}: node {node.name} {'Ready' if node.ready else 'NotReady'}"
        for node in lone
        if node.adopted
    ]
    lost = ", ".join(node.name for node in lone if not node.adopted)
    return [*lines, f"Nodes without a machine: {lost}"] if lost else lines


def tally(views: Iterable[MachineView]) -> str:
    """Count the states: `58 Ready, 2 NotReady`; empty for no machine."""
    counts = Counter(view.state for view in views)
    words = {state: state.value for state in MachineState} | {
        MachineState.NO_NODE: "without a node"
    }
    return ", ".join(f"{counts[state]} {words[state]}" for state in MachineState if counts[state])


def choose_shown(
    views: Sequence[MachineView], limit: int
) -> tuple[Sequence[MachineView], Sequence[MachineView]]:
    """Split into machines that are shown and machines that are only counted.

    Where not all fit, those that are not Ready come first, so that no failure is hidden.
    """
    if len(views) <= limit:
        return views, ()
    ordered = sorted(views, key=lambda view: view.state is MachineState.READY)
    return ordered[:limit], ordered[limit:]

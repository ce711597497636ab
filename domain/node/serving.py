"""Whether a machine serves, boots, leaves or is broken.

Sizes and bounds of a group, waits, purchases, removals, alarms and reports all take the answer from
here. A broken machine is no capacity, but may be billed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.cloud.records import Instance, InstanceStatus
from domain.cluster.api import Node
from domain.kernel.names import NODES, node_name
from domain.spec.cluster import ClusterSpec
from domain.spec.scaling import ScalingPolicy


class State(StrEnum):
    """`NOT_READY` is a node that has served and does not report, not yet for long."""

    BOOTING = "booting"
    SERVING = "serving"
    NOT_READY = "NotReady"
    LEAVING = "leaving"
    BROKEN = "broken"


class Fault(StrEnum):
    """Why a machine is broken. The first three follow from the cloud's state alone."""

    STOPPED = "it is stopped"
    SUSPENDED = "it is suspended"
    GONE = "its machine does not exist any more"
    NO_NODE = "it has not become a node in its time"
    NOT_READY = "its node has been NotReady for long"

    @property
    def is_off(self) -> bool:
        """Whether nothing runs on the machine: no pod of it is waited for, and no boot."""
        return self in (Fault.STOPPED, Fault.SUSPENDED, Fault.GONE)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a machine may take, in seconds.

    Attributes:
        boot: from its creation to a Ready node.
        not_ready: for which a node that has served may be NotReady. Kubernetes evicts the pods of
            such a node after 300 s, too.
    """

    boot: float = 900.0
    not_ready: float = 300.0


PATIENCE = Patience()


def patience_of(spec: ClusterSpec, group: str = NODES) -> Patience:
    """How long a machine of a group may take, by its scaling policy; a master's by the nodes'."""
    policy = spec.policy(group if group in spec.node_groups else NODES)
    return Patience(boot=policy.boot_seconds) if isinstance(policy, ScalingPolicy) else PATIENCE


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a machine; `fault` is set for a broken one only."""

    state: State
    fault: Fault | None = None

    @property
    def is_broken(self) -> bool:
        return self.state is State.BROKEN

    @property
    def words(self) -> str:
        return f"{self.state}: {self.fault}" if self.fault else str(self.state)


BOOTING, SERVING, NOT_READY, LEAVING = (
    Standing(state) for state in State if state is not State.BROKEN
)


@dataclass(frozen=True, slots=True)
class Machine:
    """The cloud's view of a machine.

    Attributes:
        transition: the cloud's word for a change under way, such as `starting`; else empty.
        age: seconds since its creation, by the cloud's clock.
    """

    status: InstanceStatus
    transition: str
    age: float


@dataclass(frozen=True, slots=True)
class Kubelet:
    """The cluster's view of a node.

    Attributes:
        ready: False also where its heartbeats are missing.
        unready_seconds: for how long it has not been, by the cluster's clock; 0 for a Ready node.
    """

    ready: bool
    unready_seconds: float = 0.0


ENDING = ("terminating", "ceasing")
"""The cloud's words for a machine that is being deleted."""

_OFF: Mapping[InstanceStatus, Fault] = {
    InstanceStatus.STOPPED: Fault.STOPPED,
    InstanceStatus.SUSPENDED: Fault.SUSPENDED,
    InstanceStatus.TERMINATED: Fault.GONE,
    InstanceStatus.CEASED: Fault.GONE,
}
_GOING_OFF: Mapping[str, Fault] = {"stopping": Fault.STOPPED, "suspending": Fault.SUSPENDED}
_GOING_ON = ("starting", "resuming", "restarting", "recovering", "resetting")


def find_standing(
    machine: Machine | None,
    kubelet: Kubelet | None,
    *,
    leaving: bool = False,
    patience: Patience = PATIENCE,
) -> Standing:
    """Say in which state a machine is.

    Args:
        machine: None where the cloud lists no machine of the node.
        kubelet: None where the machine is not a node.
        leaving: its drain or removal is under way.
    """
    if leaving or (machine and machine.transition in ENDING):
        return LEAVING
    if machine is None:
        return Standing(State.BROKEN, Fault.GONE)
    if fault := find_off(machine):
        return Standing(State.BROKEN, fault)
    if kubelet and kubelet.ready:
        return SERVING
    if machine.age < patience.boot or machine.transition in _GOING_ON:
        return BOOTING
    if kubelet is None:
        return Standing(State.BROKEN, Fault.NO_NODE)
    if kubelet.unready_seconds < patience.not_ready:
        return NOT_READY
    return Standing(State.BROKEN, Fault.NOT_READY)


def find_standings(
    group: str,
    machines: Sequence[Instance],
    nodes: Sequence[Node] | None,
    now: datetime,
    patience: Patience = PATIENCE,
) -> dict[str, Standing]:
    """The standing of each machine of a group by its id.

    Args:
        nodes: None where the cluster does not answer; a machine that runs counts as serving then.
        now: by the clock to which the cloud's moments were converted.
    """
    kubelets = {node.name: Kubelet(node.ready, node.unready_seconds) for node in nodes or ()}
    unknown = Kubelet(ready=True) if nodes is None else None
    return {
        machine.id: find_standing(
            Machine(machine.status, machine.transition, (now - machine.created_at).total_seconds()),
            kubelets.get(node_name(group, machine.id), unknown),
            patience=patience,
        )
        for machine in machines
    }


def find_off(machine: Instance | Machine) -> Fault | None:
    """Why a machine is switched off; None for one that runs, boots or is being started."""
    if machine.transition in _GOING_ON:
        return None
    return _OFF.get(machine.status) or _GOING_OFF.get(machine.transition)

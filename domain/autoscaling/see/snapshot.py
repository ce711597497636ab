"""The input of a decision: nodes, machines and pods of a group at one moment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from domain.autoscaling.see.placement import ANYWHERE, Placement, Requirement, Taint
from domain.cloud.records import InstanceStatus
from domain.kernel.names import NODES
from domain.observe.metrics.records import WindowStatistics


@dataclass(frozen=True, slots=True)
class Resources:
    """Amounts; `others` are named as Kubernetes does, such as `("nvidia.com/gpu", 1)`."""

    cpu_millis: int = 0
    memory_bytes: int = 0
    others: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SeenPod:
    """A pod that is not finished.

    Args:
        owner: the kind that controls it; empty for a pod without a controller.
        requests: of all its containers together, as the scheduler counts them.
        safe_to_evict: cluster-autoscaler's annotation; None where it is absent.
        leaving: it was deleted and has not ended yet; it still uses its place.
        local_storage: hostPath or an emptyDir on disk, unless annotated as safe to lose.
        starting: its containers have not run yet.
        healthy: it is Ready.
        held_by: why it waits, where no machine can help; empty where the reason is known.
    """

    namespace: str
    name: str
    owner: str = "ReplicaSet"
    requests: Resources = Resources()
    placement: Placement = ANYWHERE
    labels: Mapping[str, str] = field(default_factory=dict)
    is_mirror: bool = False
    safe_to_evict: bool | None = None
    leaving: bool = False
    local_storage: bool = False
    priority: int = 0
    starting: bool = False
    healthy: bool = True
    held_by: str = ""

    @property
    def is_workload(self) -> bool:
        """Whether it uses one of the places for workload pods."""
        return not self.is_mirror and self.owner != "DaemonSet"

    def must_move(self, least_priority: int) -> bool:
        """Whether it needs another node when its own is removed."""
        return self.is_workload and not self.leaving and self.priority >= least_priority

    @property
    def title(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class SeenNode:
    """A node of the cluster, of any group; `group` is empty where its label is missing.

    Args:
        places: for pods of all kinds (`status.allocatable.pods`).
        removal_disabled: cluster-autoscaler's annotation `scale-down-disabled`.
        removal_begun: one of our runs has cordoned it for its removal, which is not finished.
        unready_seconds: for how long it has not been Ready, by the cluster's clock.
    """

    name: str
    group: str = NODES
    ready: bool = True
    schedulable: bool = True
    allocatable: Resources = Resources()
    places: int = 110
    pods: Sequence[SeenPod] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    removal_disabled: bool = False
    removal_begun: bool = False
    unready_seconds: float = 0.0

    def count_workload(self) -> int:
        return sum(1 for pod in self.pods if pod.is_workload)


@dataclass(frozen=True, slots=True)
class SeenMachine:
    """A machine of the group that the cloud lists.

    Args:
        node: the name of its node, also before it joins.
        created_at: by the clock of the snapshot's time.
        ours: False for one that was created by hand; it counts, and is never removed.
        leaving: its drain or removal is under way.
        transition: the cloud's word for a change under way, such as `starting`; else empty.
    """

    id: str
    node: str
    created_at: datetime
    ours: bool = True
    leaving: bool = False
    status: InstanceStatus = InstanceStatus.RUNNING
    transition: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A new machine of an instance type.

    Args:
        instance_type: such as `s1.large.r2`.
        allocatable: the resources for pods of all kinds.
        labels: without those that name the machine itself.
        places: for pods of all kinds.
        daemons: the pods of DaemonSets that will run on it.
        is_seen: the resources are those of nodes of this type, not only computed.
    """

    instance_type: str
    allocatable: Resources
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    places: int = 250
    daemons: tuple[SeenPod, ...] = ()
    is_seen: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget.

    Args:
        allowed: `status.disruptionsAllowed`; 0 while its status is of an older specification.
        unhealthy_may_leave: pods that are not Ready are evicted whatever `allowed` is.
    """

    namespace: str
    name: str
    selector: tuple[Requirement, ...]
    allowed: int
    unhealthy_may_leave: bool = False

    def forbids(self, pod: SeenPod) -> bool:
        """Whether the API server refuses to evict a pod that this budget covers."""
        return self.allowed < 1 and (pod.healthy or not self.unhealthy_may_leave)

    def covers(self, pod: SeenPod) -> bool:
        return pod.namespace == self.namespace and all(
            requirement.holds(pod.labels) for requirement in self.selector
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster at one moment, as far as a decision about one group needs it.

    Args:
        time: of the readings; with a time zone.
        minimum, maximum: of the group's description; the policy may be narrower.
        pods_per_node: the largest number of workload pods on a node of the group.
        machines: of the group, including those without a node.
        templates: the group's instance types, the preferred one first.
        pending: unschedulable pods, without deleted ones and those of DaemonSets.
        held: pods that wait for something that no machine gives.
        statistics: by window in seconds, a line for each machine and metric.
        rivals: pods of other autoscalers.
        doubts: clocks that differ, in words.
    """

    time: datetime
    minimum: int
    maximum: int
    nodes: tuple[SeenNode, ...] = ()
    machines: tuple[SeenMachine, ...] = ()
    templates: tuple[Template, ...] = ()
    pending: tuple[SeenPod, ...] = ()
    held: tuple[SeenPod, ...] = ()
    statistics: Mapping[int, Sequence[WindowStatistics]] = field(default_factory=dict)
    budgets: tuple[Budget, ...] = ()
    pods_per_node: int = 40
    rivals: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def workload(self) -> Iterator[SeenPod]:
        """All workload pods, running and pending."""
        running = (pod for node in self.nodes for pod in node.pods if pod.is_workload)
        return chain(running, self.pending, self.held)

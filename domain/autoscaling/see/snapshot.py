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

    @property
    def is_workload(self) -> bool:
        """Whether it uses one of the places for workload pods."""
        return not self.is_mirror and self.owner != "DaemonSet"

    @property
    def title(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class SeenNode:
    """A node of the cluster, of any group; `group` is empty where its label is missing.

    Args:
        places: for pods of all kinds (`status.allocatable.pods`).
        removal_disabled: cluster-autoscaler's annotation `scale-down-disabled`.
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
    """An empty machine of an instance type, without the resources of DaemonSets.

    Args:
        instance_type: such as `s1.large.r2`.
        allocatable: the resources for workload pods.
    """

    instance_type: str
    allocatable: Resources
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget; `allowed` is its `status.disruptionsAllowed`."""

    namespace: str
    name: str
    selector: tuple[Requirement, ...]
    allowed: int

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
        pending: unschedulable pods, without gated and deleted ones and those of DaemonSets.
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
    statistics: Mapping[int, Sequence[WindowStatistics]] = field(default_factory=dict)
    budgets: tuple[Budget, ...] = ()
    pods_per_node: int = 40
    rivals: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def workload(self) -> Iterator[SeenPod]:
        """All workload pods, running and pending."""
        running = (pod for node in self.nodes for pod in node.pods if pod.is_workload)
        return chain(running, self.pending)

"""The report of a cluster, for terminals, programs and the Prefect UI."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.kernel.money import Rate
from domain.node.certificates import Certificate
from domain.observe.alarms.states import AlarmState
from domain.reports.unfinished import Unfinished


@dataclass(frozen=True, slots=True)
class MachineLine:
    """A machine; `name` is its hostname, which is also its node's name.

    `fault` is why it is broken; empty for one that serves, boots or leaves.
    """

    name: str
    id: str
    group: str
    private_ip: str
    status: str
    type_id: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class NodeLine:
    """A node; `pods` and `pods_allocatable` count workload pods, as the article does.

    `metrics` holds the latest value of each metric, `podsNum` included; empty where not requested.
    `adopted` is the id of its machine where that existed before the cluster.
    """

    name: str
    group: str
    ready: bool
    schedulable: bool
    pods: int
    pods_allocatable: int
    version: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    adopted: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A published endpoint; `url` is empty while it has no address."""

    url: str
    ready: bool


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """The current state of a cluster. Lists are sorted by group, then name.

    `trouble` is why its API was not read, and what to do; empty where it was. `changed_by` is the
    run that is changing it now; until that has ended, what is unfinished may be its work.
    """

    cluster: str
    zone: str
    api: Endpoint
    ui: Endpoint
    machines: tuple[MachineLine, ...] = ()
    nodes: tuple[NodeLine, ...] = ()
    public_address: str = ""
    ssh_port: int = 0
    vpc_cidr: str = ""
    vxnets: tuple[str, ...] = ()  # "192.168.1.0/24" …
    balancer_ip: str = ""
    cost: Rate | None = None  # None where not requested
    trouble: str = ""
    unfinished: tuple[Unfinished, ...] = ()
    changed_by: str = ""
    certificates: tuple[Certificate, ...] = ()  # of the masters; read by `status` alone
    alarms: tuple[AlarmState, ...] | None = (
        None  # active ones; None where none was evaluated lately
    )
    adopted: tuple[str, ...] = ()  # "router rtr-1a2b3c4d" …, which the cluster has not created


@dataclass(frozen=True, slots=True)
class Step:
    """One finished or failed step of a run, for the time line."""

    name: str
    started: datetime
    ended: datetime
    outcome: str = ""  # in a few words: "created rtr-1a2b3c4d", "kept", "failed: …"
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """The steps of one run, in the order in which they started."""

    title: str
    steps: tuple[Step, ...] = field(default_factory=tuple)

    @property
    def seconds(self) -> float:
        """From the first start to the last end; 0 for an empty run."""
        if not self.steps:
            return 0.0
        started = min(step.started for step in self.steps)
        return (max(step.ended for step in self.steps) - started).total_seconds()

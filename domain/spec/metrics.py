"""The metrics that every cluster has, with their units; custom monitors add to them."""

from dataclasses import dataclass
from enum import StrEnum

PODS = "podsNum"
"""Workload pods that are not finished, as the article counts them."""


class Per(StrEnum):
    """The level at which the samples of a window are aggregated."""

    CLUSTER = "cluster"
    GROUP = "group"
    MACHINE = "machine"

    def is_at_least_as_fine_as(self, other: "Per") -> bool:
        """Whether values at this level can be aggregated to the other level."""
        order = tuple(Per)
        return order.index(self) >= order.index(other)


class Source(StrEnum):
    """The source of a metric."""

    KUBERNETES = "kubernetes"
    CLOUD = "cloud"  # where the cloud has no value, from the machine over SSH
    SCRIPT = "script"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; `title` is shown to people, and each `per` has a value of its own."""

    name: str
    unit: str
    source: Source
    title: str
    per: Per = Per.MACHINE


MACHINES_MISSING = Metric(
    "machinesMissing",
    "machines",
    Source.CLOUD,
    "Machines missing or broken",
    Per.GROUP,
)
AT_MAXIMUM = Metric("atMaximum", "yes/no", Source.CLOUD, "Group is at its maximum", Per.GROUP)
QUOTA_NODES = Metric(
    "quotaNodes", "machines", Source.CLOUD, "More machines that the quota allows", Per.GROUP
)
CERTIFICATE_DAYS = Metric(
    "certificateDays", "days", Source.KUBERNETES, "Until the first certificate ends", Per.CLUSTER
)

BACKUP_LATE = Metric(
    "backupLate", "hours", Source.KUBERNETES, "Hours that the next backup is late", Per.CLUSTER
)
"""Beyond the description's `backup.alarm_hours`; below 0 while the last good one is young."""

BILLED_RESOURCES = Metric(
    "billedResources", "resources", Source.CLOUD, "Resources that are billed", Per.CLUSTER
)


def _by_name(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


BUILT_IN = _by_name(
    Metric(PODS, "pods", Source.KUBERNETES, "Workload pods"),
    Metric("podsRoom", "pods", Source.KUBERNETES, "Places for workload pods"),
    Metric("containersNum", "containers", Source.KUBERNETES, "Containers of workload pods"),
    Metric("cpuRequested", "%", Source.KUBERNETES, "Requested share of the CPU"),
    Metric("memoryRequested", "%", Source.KUBERNETES, "Requested share of the memory"),
    Metric("ready", "yes/no", Source.KUBERNETES, "Node is Ready"),
    Metric("memoryPressure", "yes/no", Source.KUBERNETES, "Node is short of memory"),
    Metric("diskPressure", "yes/no", Source.KUBERNETES, "Node is short of disk"),
    Metric("pidPressure", "yes/no", Source.KUBERNETES, "Node is short of process ids"),
    Metric("podsPending", "pods", Source.KUBERNETES, "Pods that wait", Per.CLUSTER),
    Metric("podsUnschedulable", "pods", Source.KUBERNETES, "Pods without a place", Per.CLUSTER),
    Metric("cloudReadings", "values", Source.CLOUD, "Values of the cloud", Per.CLUSTER),
    MACHINES_MISSING,
    AT_MAXIMUM,
    QUOTA_NODES,
    CERTIFICATE_DAYS,
    BACKUP_LATE,
    BILLED_RESOURCES,
    Metric("cpu", "%", Source.CLOUD, "CPU in use"),
    Metric("memory", "%", Source.CLOUD, "Memory in use"),
    Metric("diskUsed", "%", Source.CLOUD, "System disk in use"),
    Metric("diskRead", "B/s", Source.CLOUD, "Read from the system disk"),
    Metric("diskWrite", "B/s", Source.CLOUD, "Written to the system disk"),
    Metric("networkIn", "B/s", Source.CLOUD, "Received from the private network"),
    Metric("networkOut", "B/s", Source.CLOUD, "Sent to the private network"),
)
"""Every built-in metric by its name. yes/no is 1 or 0; an unknown value has no sample at all."""


def unit_of(metric: str) -> str:
    """The unit of a built-in metric; empty for a custom monitor."""
    known = BUILT_IN.get(metric)
    return known.unit if known else ""

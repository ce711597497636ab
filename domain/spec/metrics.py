"""The metrics that every cluster has, with their units; custom monitors add to them."""

from dataclasses import dataclass
from enum import StrEnum

PODS = "podsNum"
"""Workload pods that are not finished, as the article counts them."""


class Per(StrEnum):
    """What the samples of a window are put together by."""

    CLUSTER = "cluster"
    GROUP = "group"
    MACHINE = "machine"

    def is_at_least_as_fine_as(self, other: "Per") -> bool:
        """Whether numbers of this kind can be put together to those of the other."""
        order = tuple(Per)
        return order.index(self) >= order.index(other)


class Source(StrEnum):
    """Where a metric comes from."""

    KUBERNETES = "kubernetes"
    CLOUD = "cloud"  # where the cloud has no value, from the machine over SSH
    SCRIPT = "script"


@dataclass(frozen=True, slots=True)
class Metric:
    """`title` is for people; `per` says what has a number of its own."""

    name: str
    unit: str
    source: Source
    title: str
    per: Per = Per.MACHINE


MACHINES_MISSING = Metric(
    "machinesMissing", "machines", Source.CLOUD, "Machines wanted and not running", Per.GROUP
)
AT_MAXIMUM = Metric("atMaximum", "yes/no", Source.CLOUD, "Group is at its maximum", Per.GROUP)
QUOTA_NODES = Metric(
    "quotaNodes", "machines", Source.CLOUD, "More machines that the quota allows", Per.GROUP
)
CERTIFICATE_DAYS = Metric(
    "certificateDays", "days", Source.KUBERNETES, "Until the first certificate ends", Per.CLUSTER
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
    Metric("cpu", "%", Source.CLOUD, "CPU in use"),
    Metric("memory", "%", Source.CLOUD, "Memory in use"),
    Metric("diskUsed", "%", Source.CLOUD, "System disk in use"),
    Metric("diskRead", "B/s", Source.CLOUD, "Read from the system disk"),
    Metric("diskWrite", "B/s", Source.CLOUD, "Written to the system disk"),
    Metric("networkIn", "B/s", Source.CLOUD, "Received from the private network"),
    Metric("networkOut", "B/s", Source.CLOUD, "Sent to the private network"),
)
"""Every built-in metric by its name. yes/no is 1 or 0; what is unknown has no sample at all."""


def unit_of(metric: str) -> str:
    """The unit of a built-in metric; a custom monitor's numbers have none."""
    known = BUILT_IN.get(metric)
    return known.unit if known else ""

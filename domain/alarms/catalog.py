"""Metrics that exist for alarms: about the whole cluster, not about one machine's load."""

from domain.metrics.catalog import Metric, Source

MACHINES_MISSING = Metric(
    "machinesMissing", "machines", Source.CLOUD, "Machines wanted and not running"
)
AT_MAXIMUM = Metric("atMaximum", "yes/no", Source.CLOUD, "Group is at its maximum")
QUOTA_NODES = Metric("quotaNodes", "machines", Source.CLOUD, "More machines that the quota allows")
CERTIFICATE_DAYS = Metric(
    "certificateDays", "days", Source.KUBERNETES, "Until the first certificate ends", True
)

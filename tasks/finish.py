"""The end of a run that changed a cluster: its report, and what is kept for later runs."""

from datetime import UTC, datetime

from domain.reports.cluster import ClusterReport, Timeline
from domain.spec.cluster import ClusterSpec
from tasks.alarms import record_billed
from tasks.cluster import Cluster
from tasks.endpoints import keep_endpoints
from tasks.overview import read_report
from tasks.reports import publish_report
from tasks.tables import publish_machines


def finish_run(cluster: Cluster, spec: ClusterSpec, timeline: Timeline) -> ClusterReport:
    """Read the cluster once more, publish its report, and keep what later runs need."""
    report = read_report(cluster, spec)
    publish_report(report, timeline, cluster.key)
    publish_machines(report, cluster.key)
    record_billed(cluster, cluster.inventory(), datetime.now(UTC))
    keep_endpoints(cluster)
    return report

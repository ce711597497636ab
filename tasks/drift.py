"""Comparing a cluster with its stored description."""

from datetime import UTC, datetime

from domain.cloud.foreign import read_surroundings
from domain.cluster.addons import read_requests
from domain.reports.drift import DriftReport, find_drift
from domain.spec.cluster import ClusterSpec
from tasks.cluster import Cluster


def read_drift(cluster: Cluster, spec: ClusterSpec) -> DriftReport:
    """Read everything, and compare. Raises as `Cluster.inventory` and `Cluster.api` do."""
    seen = cluster.inventory()
    api = cluster.api()
    around = read_surroundings(cluster.cloud, seen, read_requests(api))
    return find_drift(spec, seen, around, api.list_nodes(), datetime.now(UTC))

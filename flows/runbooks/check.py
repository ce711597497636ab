"""The runbook that checks a cluster; it changes nothing."""

from datetime import datetime

from domain.health.findings import HealthReport, report_findings
from tasks.cluster import Cluster
from tasks.executors import Steps
from tasks.health import (
    check_description,
    check_last_backup,
    check_machines,
    check_masters,
    check_raised,
    check_system,
    check_ways,
)


def check_cluster(steps: Steps, cluster: Cluster, now: datetime) -> HealthReport:
    """Check every subject, side by side; one that cannot be read is trouble, and ends no other.

    Args:
        cluster: the handle, with its stored description.
    """
    cluster.inventory()  # read once, before steps ask for it at the same time
    running = (
        steps.start(check_machines, cluster),
        steps.start(check_system, cluster),
        steps.start(check_masters, cluster, now),
        steps.start(check_ways, cluster),
        steps.start(check_last_backup, cluster, now),
        steps.start(check_raised, cluster, now),
        steps.start(check_description, cluster),
    )
    return report_findings(cluster.name, [one for step in running for one in step.result()])

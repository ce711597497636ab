"""The runbook that renews the certificates of the masters."""

from domain.node.health import read_health
from tasks.certificates import Renewals, renew_certificates
from tasks.cluster import Cluster
from tasks.control_plane import wait_for_apiserver
from tasks.executors import Steps
from tasks.rollouts import check_health


def renew(steps: Steps, cluster: Cluster, renewals: Renewals) -> None:
    """Renew certificates on one master after the other, and bring them into use.

    Raises:
        FinalError: a part of a control plane has not started again, or the cluster is not well
            afterwards; the other masters stay as they are.
    """
    if not renewals.masters:
        return
    cluster = cluster.at(cluster.ssh_endpoints())
    before = read_health(cluster.api())
    for one in renewals.masters:
        steps.run(renew_certificates, cluster, one)
        steps.run(wait_for_apiserver, cluster)
        steps.run(check_health, cluster, before, f"the certificates of {one.master.id}")

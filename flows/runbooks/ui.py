"""The runbook of the web UI."""

from domain.cloud.records import Instance
from tasks.cluster import Cluster
from tasks.executors import Steps
from tasks.workloads import install_ui, ui_must_be_installed, wait_for_ui


def publish_ui(steps: Steps, cluster: Cluster, master: Instance) -> str:
    """Install the UI if it does not run yet, and wait until it answers. Returns: its URL.

    A certificate that is about to end is renewed.
    """
    if ui_must_be_installed(cluster):
        steps.run(install_ui, cluster, master)
    return steps.run(wait_for_ui, cluster)

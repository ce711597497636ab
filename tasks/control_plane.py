"""Steps and reads of a cluster's own API: whether it answers, its description, its nodes."""

from collections.abc import Mapping

from domain.cluster import apiserver, stored_spec
from domain.cluster.api import Node
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError, InvalidSpec, TemporaryError
from domain.kernel.names import MASTERS
from domain.kernel.waiting import READ_PAUSES
from domain.node.install import GROUP_LABEL
from domain.reports.overview import ROLE
from domain.spec.cluster import ClusterSpec
from tasks.cluster import Cluster
from tasks.steps import run_logger, step


@step("API server of {cluster.name}")
def wait_for_apiserver(cluster: Cluster) -> Ensured[str]:
    url = cluster.endpoints().api_url
    return apiserver.wait_for_apiserver(cluster.api(), url, cluster.clock)


@step("description of {cluster.name}")
def store_spec(cluster: Cluster) -> Ensured[ClusterSpec]:
    """Store the description in the cluster."""
    return stored_spec.store_spec(cluster.api(), cluster.spec)


def find_spec(cluster: Cluster) -> ClusterSpec | None:
    """Read the stored description.

    Returns:
        None for a cluster that does not exist or does not answer.

    Raises:
        InvalidSpec: the stored description is not valid.
    """
    if not answers(cluster):
        return None
    try:
        return stored_spec.read_spec(cluster.api())
    except InvalidSpec:
        raise
    except ClusterError as error:
        run_logger().info("the cluster's stored description cannot be read: %s", error)
        return None


def answers(cluster: Cluster) -> bool:
    """Whether the cluster's API is ready; False also without credentials or an address."""
    if cluster.find_credentials() is None or not cluster.endpoints().api_url:
        return False
    try:
        if cluster.api().is_ready():
            return True
        cluster.clock.sleep(READ_PAUSES[0])  # one lost answer would end the run
        return cluster.api().is_ready()
    except ClusterError as error:
        run_logger().info("the cluster's API does not answer: %s", error)
        return False


def check_nothing_stored(cluster: Cluster) -> None:
    """End a run that began without the cluster's description, if the cluster has one after all.

    The run would overwrite it with defaults.

    Raises:
        TemporaryError: the cluster answers again, so the same command can read its description.
    """
    if stored_spec.read_spec(cluster.api()):
        raise TemporaryError(
            f"cluster {cluster.name} did not answer when its description was read, and does now; "
            "run the same command again, so that the stored description is used"
        )


def ready_nodes(cluster: Cluster) -> frozenset[str]:
    """The names of the nodes that are Ready; empty while the API does not answer.

    A Ready node needs no installer, so a second run logs in to no machine. A master counts once it
    has its role's label, which kubeadm sets last.
    """
    if not answers(cluster):
        return frozenset()
    try:
        return frozenset(node.name for node in cluster.api().list_nodes() if _is_finished(node))
    except ClusterError as error:
        run_logger().info("the nodes cannot be read yet: %s", error)
        return frozenset()


def _is_finished(node: Node) -> bool:
    is_master = node.labels.get(GROUP_LABEL, MASTERS) == MASTERS
    return node.ready and (not is_master or ROLE in node.labels)


def node_versions(cluster: Cluster) -> frozenset[str]:
    """The versions of the cluster's kubelets, such as `v1.36.4`."""
    return frozenset(node.version for node in cluster.api().list_nodes())


def workload_pods(cluster: Cluster) -> Mapping[str, int]:
    """Workload pods by node name."""
    return cluster.api().count_workload_pods()

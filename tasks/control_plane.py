"""Tasks that speak to a cluster's own API: readiness, joins, what is remembered in it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from blocks.accounts import QingCloudAccount
from clients.kubernetes import ClusterClient
from domain.cloud.inventory import Inventory
from domain.cluster import apiserver, join_tokens, stored_spec
from domain.cluster.api import Node
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError, InvalidSpec, TemporaryError
from domain.kernel.names import NODES
from domain.node import ready
from domain.node.install import GROUP_LABEL
from domain.secrets.pki import BootstrapToken
from domain.spec.cluster import ClusterSpec
from tasks.credentials import find_credentials, read_credentials
from tasks.steps import run_logger, step

TOKEN_VALIDITY = timedelta(hours=2)
WORKER = {"node-role.kubernetes.io/worker": ""}
"""A kubelet may not give itself this label, so we do."""


def api_url(address: str, port: int) -> str:
    return f"https://{address}:{port}"


@contextmanager
def open_api(account: QingCloudAccount, cluster: str, url: str) -> Iterator[ClusterClient]:
    """Open a cluster's API as an administrator.

    Raises:
        CredentialsMissing: the cluster's block is not on this Prefect server.
    """
    with read_credentials(account, cluster).client(url) as api:
        yield api


@step("API server of {spec.name}")
def wait_for_apiserver(account: QingCloudAccount, spec: ClusterSpec, url: str) -> Ensured[str]:
    with open_api(account, spec.name, url) as api:
        return apiserver.wait_for_apiserver(api, url)


@step("join token of {spec.name}")
def publish_token(
    account: QingCloudAccount, spec: ClusterSpec, url: str, token: BootstrapToken
) -> Ensured[None]:
    with open_api(account, spec.name, url) as api:
        return join_tokens.publish_token(api, token, datetime.now(UTC) + TOKEN_VALIDITY)


@step("nodes of {spec.name} Ready")
def wait_for_nodes(
    account: QingCloudAccount, spec: ClusterSpec, url: str, names: Sequence[str]
) -> Ensured[tuple[Node, ...]]:
    """Wait until these nodes are Ready, and give the workers their role's label."""
    with open_api(account, spec.name, url) as api:
        done = ready.wait_for_nodes(api, names)
        for node in done.value:
            if node.labels.get(GROUP_LABEL) == NODES and not WORKER.keys() <= node.labels.keys():
                api.label_node(node.name, WORKER)
        return done


@step("join token of {cluster} forgotten")
def forget_token(
    account: QingCloudAccount, cluster: str, url: str, token: BootstrapToken
) -> Ensured[None]:
    with open_api(account, cluster, url) as api:
        join_tokens.forget_token(api, token)
        return Ensured(None, f"{token.id} deleted")


@step("description of {spec.name}")
def store_spec(account: QingCloudAccount, spec: ClusterSpec, url: str) -> Ensured[ClusterSpec]:
    """Remember in the cluster what was asked."""
    with open_api(account, spec.name, url) as api:
        return stored_spec.store_spec(api, spec)


def find_spec(account: QingCloudAccount, view: Inventory, port: int) -> ClusterSpec | None:
    """Read what was asked last; None for a cluster that does not exist or does not answer.

    Raises:
        InvalidSpec: what is stored there is not understood.
    """
    credentials = find_credentials(account, view.name)
    if credentials is None or not view.public_address:
        return None
    try:
        with credentials.client(api_url(view.public_address, port)) as api:
            return stored_spec.read_spec(api) if api.is_ready() else None
    except InvalidSpec:
        raise
    except ClusterError as error:
        run_logger().info("the cluster's stored description cannot be read: %s", error)
        return None


def refuse_forgotten(account: QingCloudAccount, cluster: str, url: str) -> None:
    """End a run that began without the cluster's description, if the cluster tells it now.

    Defaults would be stored over it otherwise.

    Raises:
        TemporaryError: it answers again, so the same command finds out what was asked before.
    """
    with open_api(account, cluster, url) as api:
        if stored_spec.read_spec(api):
            raise TemporaryError(
                f"cluster {cluster} did not tell its description before, and does now; "
                "run the same command again, so that it counts"
            )


def node_versions(account: QingCloudAccount, cluster: str, url: str) -> frozenset[str]:
    """The versions of the cluster's kubelets, such as `v1.36.4`."""
    with open_api(account, cluster, url) as api:
        return frozenset(node.version for node in api.list_nodes())


def ready_nodes(account: QingCloudAccount, view: Inventory, url: str) -> frozenset[str]:
    """The names of the nodes that are Ready; empty while nothing answers.

    What is Ready needs no installer, so a second run touches no machine.
    """
    credentials = find_credentials(account, view.name)
    if credentials is None or not view.public_address:
        return frozenset()
    try:
        with credentials.client(url) as api:
            if not api.is_ready():
                return frozenset()
            return frozenset(node.name for node in api.list_nodes() if node.ready)
    except ClusterError as error:
        run_logger().info("no node can be seen yet: %s", error)
        return frozenset()


def workload_pods(account: QingCloudAccount, cluster: str, url: str) -> Mapping[str, int]:
    """Workload pods by node name."""
    with open_api(account, cluster, url) as api:
        return api.count_workload_pods()

"""Tasks of the tag by which people find a cluster's resources in the console."""

from blocks.accounts import QingCloudAccount
from domain.ensured import Ensured
from domain.names import Names
from domain.tags import ensure_tagged
from domain.view import read_cluster
from tasks.steps import step


@step("tag {cluster}")
def tag_resources(account: QingCloudAccount, cluster: str) -> Ensured[str]:
    """Attach the cluster's tag to everything that it has; names alone are the identity."""
    with account.client() as cloud:
        return ensure_tagged(cloud, Names(cluster), read_cluster(cloud, cluster))

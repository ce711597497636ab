"""Tasks of the tag by which people find a cluster's resources in the console."""

from blocks.accounts import QingCloudAccount
from domain.cloud.inventory import read_inventory
from domain.cloud.tags import ensure_tagged
from domain.kernel.ensured import Ensured
from domain.kernel.names import Names
from tasks.steps import step


@step("tag {cluster}")
def tag_resources(account: QingCloudAccount, cluster: str) -> Ensured[str]:
    """Attach the cluster's tag to everything that it has; names alone are the identity."""
    with account.client() as cloud:
        return ensure_tagged(cloud, Names(cluster), read_inventory(cloud, cluster))

"""Tasks of taking a whole cluster down; they need the cloud's names alone."""

from blocks.accounts import QingCloudAccount
from domain.cloud import teardown
from domain.cloud.inventory import Inventory
from domain.kernel.ensured import Ensured
from tasks.credentials import delete_credentials
from tasks.steps import step


@step("machines of {view.name}")
def remove_machines(account: QingCloudAccount, view: Inventory) -> Ensured[None]:
    with account.client() as cloud:
        return teardown.remove_machines(cloud, view.instances)


@step("load balancer of {view.name}")
def remove_balancer(account: QingCloudAccount, view: Inventory) -> Ensured[None]:
    with account.client() as cloud:
        return teardown.remove_balancer(cloud, view)


@step("private network of {view.name}")
def remove_network(account: QingCloudAccount, view: Inventory) -> Ensured[None]:
    with account.client() as cloud:
        return teardown.remove_network(cloud, view)


@step("public address of {view.name}")
def remove_address(account: QingCloudAccount, view: Inventory) -> Ensured[None]:
    with account.client() as cloud:
        return teardown.remove_address(cloud, view)


@step("firewalls, key pair and tag of {view.name}")
def remove_leftovers(account: QingCloudAccount, view: Inventory) -> Ensured[None]:
    with account.client() as cloud:
        return teardown.remove_leftovers(cloud, view)


@step("credentials of {cluster}")
def forget_credentials(account: QingCloudAccount, cluster: str) -> Ensured[None]:
    """Delete the cluster's secrets, last of all: until then a run could still go on."""
    deleted = delete_credentials(account, cluster)
    return Ensured(None, "deleted" if deleted else teardown.NOTHING)

"""Tasks of taking machines out of a cluster, one node at a time."""

from blocks.accounts import QingCloudAccount
from domain import scaling
from domain.cloud import Instance
from domain.ensured import Ensured
from domain.names import node_name
from domain.teardown import remove_machines
from tasks.control_plane import open_api
from tasks.credentials import update_credentials
from tasks.steps import step, tell_progress


@step("drain of {machine.id}")
def drain_node(
    account: QingCloudAccount, cluster: str, url: str, group: str, machine: Instance
) -> Ensured[None]:
    with open_api(account, cluster, url) as api:
        return scaling.drain(api, node_name(group, machine.id), tell_progress)


@step("end of machine {machine.id}")
def remove_machine(
    account: QingCloudAccount, cluster: str, url: str, group: str, machine: Instance
) -> Ensured[None]:
    """Terminate the machine, see it off, and only then delete its Node object.

    A living kubelet would register a deleted node again within seconds.
    """
    with account.client() as cloud:
        done = remove_machines(cloud, [machine])
    with open_api(account, cluster, url) as api:
        api.delete("Node", node_name(group, machine.id))
    update_credentials(account, cluster, lambda now: now.without(machine.id))
    return done

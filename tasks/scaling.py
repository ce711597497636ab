"""Tasks of taking machines out of a cluster, one node at a time, so that nothing is lost."""

from collections.abc import Callable

from blocks.accounts import QingCloudAccount
from clients.kubernetes import ClusterClient
from domain.autoscaling.see.state import LEAVING
from domain.cloud.jobs import wait_for_jobs
from domain.cloud.records import Backend, Instance
from domain.cloud.teardown import remove_machines
from domain.kernel.ensured import Ensured
from domain.kernel.errors import NotFound
from domain.kernel.names import node_name
from domain.kernel.texts import first_of
from domain.kernel.waiting import Pace, wait_for, when_free
from domain.node import drain as scaling
from domain.node import remove
from tasks.control_plane import open_api
from tasks.credentials import update_credentials
from tasks.steps import step, tell_progress

VOLUMES_DEADLINE = 120.0
"""Seconds for the volumes of an emptied node to be detached."""


@step("drain of {machine.id}")
def drain_node(
    account: QingCloudAccount,
    cluster: str,
    url: str,
    group: str,
    machine: Instance,
    holder: str = "",
    deadline: float = scaling.DRAIN_DEADLINE,
) -> Ensured[None]:
    """Cordon the node and move its pods away.

    Args:
        holder: the evaluator that wants it, if it is one. The node is marked, so that the next
            evaluator finds what this one may leave behind; pods that find no room end the drain.
        deadline: seconds for all pods to leave.
    """
    node = node_name(group, machine.id)
    with open_api(account, cluster, url) as api:
        if not holder:
            return scaling.drain(api, node, tell_progress, deadline)
        api.annotate_node(node, {LEAVING: holder})
        objection = _new_waiting_pods(api)
        return scaling.drain(api, node, tell_progress, deadline, objection=objection)


def _new_waiting_pods(api: ClusterClient) -> Callable[[], str]:
    before = api.count_unschedulable()

    def words() -> str:
        now = api.count_unschedulable()
        return f"{now - before} pods wait for room now" if now > before else ""

    return words


@step("volumes of {machine.id}")
def detach_volumes(
    account: QingCloudAccount, cluster: str, url: str, group: str, machine: Instance
) -> Ensured[None]:
    """Wait until no volume is attached to the emptied node: a terminated machine corrupts it."""
    node = node_name(group, machine.id)
    with open_api(account, cluster, url) as api:
        there = api.list_attached_volumes(node)
        wait_for(
            lambda: None if api.list_attached_volumes(node) else True,
            what=f"volumes {first_of(there)} detached from {node}",
            pace=Pace(timeout=VOLUMES_DEADLINE),
        )
    return Ensured(None, f"{len(there)} detached" if there else "there are none")


@step("listeners of {machine.id}")
def leave_listeners(
    account: QingCloudAccount, machine: Instance, balancer_id: str, backends: tuple[Backend, ...]
) -> Ensured[None]:
    """Take the machine out of the load balancer, so that nobody is sent to it any more."""
    ids = [backend.id for backend in backends if backend.instance_id == machine.id]
    if not ids:
        return Ensured(None, "it has none")
    with account.client() as cloud:
        cloud.delete_backends(ids)
        job = when_free(
            lambda: cloud.update_loadbalancer(balancer_id), what=f"updating {balancer_id}"
        )
        wait_for_jobs(cloud, [job])
    return Ensured(None, f"left {len(ids)}")


@step("end of machine {machine.id}")
def remove_machine(
    account: QingCloudAccount, cluster: str, url: str, group: str, machine: Instance
) -> Ensured[None]:
    """Terminate the machine of an emptied node, see it off, and forget its host key."""
    with open_api(account, cluster, url) as api:
        remove.check_emptied(api, node_name(group, machine.id))
    with account.client() as cloud:
        done = remove_machines(cloud, [machine])
    update_credentials(account, cluster, lambda now: now.without(machine.id))
    return done


@step("end of node {node}")
def forget_node(account: QingCloudAccount, cluster: str, url: str, node: str) -> Ensured[None]:
    """Delete the Node object, last: a living kubelet would register it again within seconds."""
    with open_api(account, cluster, url) as api:
        there = api.delete("Node", node)
    return Ensured(None, "deleted" if there else "was gone")


@step("return of {machine.id}")
def give_back(
    account: QingCloudAccount, cluster: str, url: str, group: str, machine: Instance
) -> Ensured[None]:
    """Let a node take pods again as before its removal failed, if its machine still runs."""
    node = node_name(group, machine.id)
    with account.client() as cloud:
        if not any(seen.is_up for seen in cloud.read_instances([machine.id])):
            return Ensured(
                None, f"{node} stays cordoned, because its machine does not run any more"
            )
    with open_api(account, cluster, url) as api:
        try:
            taken = scaling.give_back(api, node)
            api.annotate_node(node, {LEAVING: None})
        except NotFound:
            return Ensured(None, f"{node} is no node")
    return Ensured(None, f"{node} {'takes pods again' if taken else 'stays cordoned, as before'}")

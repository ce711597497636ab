"""Steps of removing machines from a cluster, one node at a time, without losing pods."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from domain.autoscaling.see.state import LEAVING
from domain.cloud.inventory import Inventory
from domain.cloud.records import Instance
from domain.cloud.teardown import remove_machines
from domain.kernel.ensured import Ensured
from domain.kernel.errors import NotFound
from domain.node import drain, remove
from domain.node.adoption import find_adopted
from domain.node.serving import ENDING
from tasks.cluster import Cluster
from tasks.standings import read_standings
from tasks.steps import report_progress, step

if TYPE_CHECKING:
    from clients.kubernetes import ClusterClient


@step("drain of {machine.id}")
def drain_node(
    cluster: Cluster,
    machine: Instance,
    holder: str = "",
    deadline: float = drain.DRAIN_DEADLINE,
    broken: str = "",
) -> Ensured[None]:
    """Cordon the node and evict its pods.

    Args:
        holder: the evaluator that removes it, if there is one. The node is marked, so that the next
            evaluator finds an unfinished removal; pods without room on other nodes end the drain.
        deadline: seconds for all pods to leave.
        broken: why the machine is broken, if it is; its pods are not evicted then.
    """
    api, node = cluster.api(), cluster.node_name(machine)
    if broken:
        if holder and api.read_node(node):
            api.annotate_node(node, {LEAVING: holder})
        return drain.leave_to_its_end(api, node, broken)
    if not holder:
        return drain.drain(api, node, report_progress, deadline, cluster.clock)
    api.annotate_node(node, {LEAVING: holder})
    objection = _new_waiting_pods(api)
    return drain.drain(api, node, report_progress, deadline, cluster.clock, objection)


def _new_waiting_pods(api: "ClusterClient") -> Callable[[], str]:
    before = api.count_unschedulable()

    def words() -> str:
        now = api.count_unschedulable()
        return f"{now - before} pods wait for room now" if now > before else ""

    return words


@step("volumes of {machine.id}")
def detach_volumes(cluster: Cluster, machine: Instance) -> Ensured[None]:
    return remove.wait_until_detached(cluster.api(), cluster.node_name(machine), cluster.clock)


@step("backends of {machine.id}")
def remove_backends(cluster: Cluster, machine: Instance, seen: Inventory) -> Ensured[None]:
    return remove.remove_backends(cluster.cloud, machine, seen, cluster.clock)


@step("termination of {machine.id}")
def remove_machine(cluster: Cluster, machine: Instance, broken: str = "") -> Ensured[None]:
    """Terminate the machine of an emptied node, wait until it is gone, and remove its host key.

    Args:
        broken: why the machine is broken, if it is; then it must be so still.
    """
    if broken:
        now = [one for one in cluster.machines().instances if one.id == machine.id]
        for one, standing in read_standings(cluster, now).items():
            remove.check_still_broken(one, standing)
    else:
        remove.check_emptied(cluster.api(), cluster.node_name(machine))
    done = remove_machines(cluster.cloud, cluster.name, [machine], cluster.clock)
    cluster.update_credentials(lambda now: now.without(machine.id))
    return done


@step("deletion of node {node}")
def delete_node(cluster: Cluster, node: str) -> Ensured[None]:
    """Delete the Node object, last: a kubelet that starts again would register it again."""
    existed = cluster.api().delete("Node", node)
    return Ensured(None, "deleted" if existed else "did not exist")


@step("nodes of {cluster.name} without a machine")
def delete_lost_nodes(cluster: Cluster) -> Ensured[None]:
    """Delete nodes of machines that an interrupted run or a user in the console has deleted."""
    machines = cluster.inventory()
    nodes = cluster.api().list_nodes()
    lost = remove.find_lost_nodes(nodes, machines)
    for node in lost:
        cluster.api().delete("Node", node)
    existing = {machine.id for machine in machines.instances} | find_adopted(nodes).keys()
    gone = set(cluster.credentials().host_keys) - existing
    if gone:
        cluster.update_credentials(lambda now: now.without(*gone))
    return Ensured(None, f"deleted {' '.join(lost)}" if lost else "there are none")


@step("uncordoning of {machine.id}")
def uncordon(cluster: Cluster, machine: Instance) -> Ensured[None]:
    """Uncordon a node whose removal failed, if its machine stays."""
    api, node = cluster.api(), cluster.node_name(machine)
    staying = (one for one in cluster.machines().instances if one.transition not in ENDING)
    if not any(one.id == machine.id for one in staying):
        return Ensured(None, f"{node} stays cordoned, because its machine is deleted")
    try:
        is_schedulable = drain.uncordon(api, node)
        api.annotate_node(node, {LEAVING: None})
    except NotFound:
        return Ensured(None, f"{node} is not a node")
    return Ensured(
        None, f"{node} {'accepts pods again' if is_schedulable else 'stays cordoned, as before'}"
    )

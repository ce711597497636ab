"""Steps of deleting a whole cluster; they need no credentials of it."""

from domain.cloud import teardown
from domain.cloud.inventory import Inventory
from domain.cloud.journal import acting_for
from domain.cloud.records import Instance
from domain.kernel.ensured import Ensured
from tasks.cluster import Cluster
from tasks.steps import report_progress, step


@step("machines of {cluster.name}")
def remove_machines(cluster: Cluster, machines: tuple[Instance, ...]) -> Ensured[None]:
    return teardown.remove_machines(cluster.cloud, cluster.name, machines, cluster.clock)


@step("load balancer of {cluster.name}")
def remove_balancer(cluster: Cluster, seen: Inventory) -> Ensured[None]:
    return teardown.remove_balancer(cluster.cloud, seen, cluster.clock)


@step("private network of {cluster.name}")
def remove_network(cluster: Cluster, seen: Inventory) -> Ensured[None]:
    return teardown.remove_network(cluster.cloud, seen, cluster.clock)


@step("public address of {cluster.name}")
def remove_address(cluster: Cluster, seen: Inventory) -> Ensured[None]:
    return teardown.remove_address(cluster.cloud, seen, cluster.clock)


@step("surplus resources of {cluster.name}")
def remove_surplus(cluster: Cluster, seen: Inventory) -> Ensured[None]:
    return teardown.remove_surplus(cluster.cloud, seen, cluster.clock)


@step("firewalls, key pair and tag of {cluster.name}")
def remove_leftovers(cluster: Cluster, seen: Inventory) -> Ensured[None]:
    return teardown.remove_leftovers(cluster.cloud, seen, cluster.clock)


@step("calls of earlier runs on {cluster.name}")
def wait_for_late_calls(cluster: Cluster) -> Ensured[None]:
    """Wait until no create of a run that was ended can act any more."""
    names = ", ".join(cluster.journal.ages())
    while (left := acting_for(cluster.journal)) > 0:
        report_progress(f"{names} may still act for {left:.0f} s")
        cluster.clock.sleep(min(left, 5.0))
    return Ensured(None, f"waited for {names}")

"""Steps of deleting a whole cluster; they need no credentials of it."""

from domain.cloud import addons, teardown
from domain.cloud.addons import AddOns, Requests
from domain.cloud.foreign import Surroundings, read_surroundings
from domain.cloud.inventory import Inventory
from domain.cloud.journal import acting_for, outliving
from domain.cloud.records import Instance
from domain.cluster.addons import end_requests, read_requests
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError
from tasks.cluster import Cluster
from tasks.control_plane import answers
from tasks.steps import report_progress, run_logger, step


def look_around(cluster: Cluster, *, keeps_addons: bool = False) -> Surroundings:
    """Read what the cluster's add-ons have made, and what in its network is foreign."""
    seen = cluster.inventory()
    requests = _read_requests(cluster)
    return read_surroundings(cluster.cloud, seen, requests, keeps_addons=keeps_addons)


def _read_requests(cluster: Cluster) -> Requests:
    if not answers(cluster):
        return Requests()
    try:
        return read_requests(cluster.api())
    except ClusterError as error:
        run_logger().warning("the cluster's Services and claims cannot be read: %s", error)
        return Requests()


@step("tag on what add-ons of {cluster.name} have made")
def mark_addons(cluster: Cluster, seen: Inventory, found: AddOns) -> Ensured[None]:
    return addons.mark_addons(cluster.cloud, seen, found)


@step("Services and claims of {cluster.name}")
def end_addons(cluster: Cluster, found: AddOns) -> Ensured[None]:
    """Delete them through the cluster's API, so that their controllers clean up."""
    return end_requests(cluster.api(), found.requests, cluster.clock)


@step("load balancers of {cluster.name}'s Services")
def remove_addons(cluster: Cluster, found: AddOns) -> Ensured[None]:
    """Delete what the controllers have left, but for volumes that machines use."""
    return addons.remove_balancers(cluster.cloud, found, cluster.clock)


@step("volumes of {cluster.name}'s claims")
def remove_volumes(cluster: Cluster, found: AddOns) -> Ensured[None]:
    return addons.remove_volumes(cluster.cloud, found, cluster.clock)


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
    names = ", ".join(outliving(cluster.journal))
    while (left := acting_for(cluster.journal)) > 0:
        report_progress(f"{names} may still act for {left:.0f} s")
        cluster.clock.sleep(min(left, 5.0))
    return Ensured(None, f"waited for {names}")

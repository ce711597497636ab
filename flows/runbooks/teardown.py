"""The runbook that deletes a cluster."""

from datetime import UTC, datetime
from functools import partial

from domain.cloud.inventory import Inventory
from domain.cloud.journal import acting_for
from domain.cloud.teardown import sweep_until_gone
from tasks.alarms import close_history
from tasks.cluster import Cluster
from tasks.credentials import delete_credentials, mark_ending
from tasks.executors import Steps
from tasks.teardown import (
    remove_address,
    remove_balancer,
    remove_leftovers,
    remove_machines,
    remove_network,
    remove_surplus,
    wait_for_late_calls,
)


def teardown(steps: Steps, cluster: Cluster) -> None:
    """Delete every resource with the cluster's names; needs no credentials of it."""
    steps.run(mark_ending, cluster)
    sweep_until_gone(
        cluster.inventory(),
        sweep=partial(sweep, steps, cluster),
        look=partial(look_again, steps, cluster),
    )
    steps.run(delete_credentials, cluster)
    steps.run(close_history, cluster, datetime.now(UTC))


def look_again(steps: Steps, cluster: Cluster) -> Inventory:
    """Read what is left, also what a call of a run that was ended may still create."""
    left = cluster.inventory(fresh=True)
    if left.is_empty and acting_for(cluster.journal) > 0:
        steps.run(wait_for_late_calls, cluster)
        left = cluster.inventory(fresh=True)
    return left


def sweep(steps: Steps, cluster: Cluster, seen: Inventory) -> None:
    """Delete the resources of an inventory, in the order that the cloud requires."""
    machines = steps.start(remove_machines, cluster, seen.instances)
    balancer = steps.start(remove_balancer, cluster, seen)
    if seen.surplus:
        steps.run(remove_surplus, cluster, seen)
    machines.result()
    balancer.result()
    steps.run(remove_network, cluster, seen)
    address = steps.start(remove_address, cluster, seen)
    steps.run(remove_leftovers, cluster, seen)
    address.result()

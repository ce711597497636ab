"""The runbook that deletes a cluster."""

from datetime import UTC, datetime
from functools import partial

from domain.cloud.inventory import Inventory
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
)


def teardown(steps: Steps, cluster: Cluster) -> None:
    """Delete every resource with the cluster's names; needs no credentials of it."""
    steps.run(mark_ending, cluster)
    sweep_until_gone(
        cluster.inventory(),
        sweep=partial(sweep, steps, cluster),
        look=partial(cluster.inventory, fresh=True),
    )
    steps.run(delete_credentials, cluster)
    steps.run(close_history, cluster, datetime.now(UTC))


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

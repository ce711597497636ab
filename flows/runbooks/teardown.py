"""The runbook that deletes a cluster."""

from datetime import UTC, datetime
from functools import partial

from domain.cloud.addons import AddOns
from domain.cloud.foreign import find_staying, refuse_foreign
from domain.cloud.inventory import Inventory
from domain.cloud.journal import acting_for
from domain.cloud.plan import Plan
from domain.cloud.planning import plan_teardown
from domain.cloud.teardown import sweep_until_gone
from tasks.alarms import close_history
from tasks.cluster import Cluster
from tasks.credentials import delete_credentials, mark_ending
from tasks.executors import Steps
from tasks.teardown import (
    end_addons,
    look_around,
    mark_addons,
    remove_addons,
    remove_address,
    remove_balancer,
    remove_leftovers,
    remove_machines,
    remove_network,
    remove_surplus,
    remove_volumes,
    wait_for_late_calls,
)


def teardown(
    steps: Steps, cluster: Cluster, *, keep_addons: bool = False, leave_foreign: bool = False
) -> Plan:
    """Delete every resource with the cluster's names; needs no credentials of it.

    What the cluster's add-ons have made goes first, while their controllers run. Its volumes go
    after the machines that use them.

    Args:
        keep_addons: keep the load balancers, addresses and volumes that add-ons have made.
        leave_foreign: keep what foreign resources use, and delete everything else.

    Returns:
        The plan of what was deleted, and what stays.

    Raises:
        ForeignInside: foreign resources use parts of the cluster; nothing was deleted.
    """
    seen, around = cluster.inventory(), look_around(cluster, keeps_addons=keep_addons)
    if not leave_foreign:
        refuse_foreign(seen, around)
    planned, staying = plan_teardown(seen, around), frozenset(find_staying(seen, around))
    addons = around.addons
    steps.run(mark_ending, cluster)
    if keep_addons:
        addons = AddOns()
    if not addons.are_none:
        steps.run(mark_addons, cluster, seen, addons)
        if addons.requests.are_some:
            steps.run(end_addons, cluster, addons)
        steps.run(remove_addons, cluster, addons)
    sweep_until_gone(
        seen.without(staying),
        sweep=partial(sweep, steps, cluster, addons),
        look=lambda: look_again(steps, cluster).without(staying),
    )
    if not (seen.keypair and seen.keypair.id in staying):
        steps.run(delete_credentials, cluster)
    steps.run(close_history, cluster, datetime.now(UTC))
    return planned


def look_again(steps: Steps, cluster: Cluster) -> Inventory:
    """Read what is left, also what a call of a run that was ended may still create."""
    if acting_for(cluster.journal) > 0:
        steps.run(wait_for_late_calls, cluster)
    return cluster.inventory(fresh=True)


def sweep(steps: Steps, cluster: Cluster, addons: AddOns, seen: Inventory) -> None:
    """Delete the resources of an inventory, in the order that the cloud requires.

    The volumes of claims go before the last resource with the tag that marks them.
    """
    machines = steps.start(remove_machines, cluster, seen.instances)
    balancer = steps.start(remove_balancer, cluster, seen)
    if seen.surplus:
        steps.run(remove_surplus, cluster, seen)
    machines.result()
    balancer.result()
    if addons.volumes:
        steps.run(remove_volumes, cluster, addons)
    steps.run(remove_network, cluster, seen)
    address = steps.start(remove_address, cluster, seen)
    steps.run(remove_leftovers, cluster, seen)
    address.result()

"""As much of a cluster as a collection needs, in as few calls as that takes."""

from dataclasses import replace

from domain.cloud.api import Cloud
from domain.cloud.inventory import Inventory, the_one
from domain.kernel.errors import NotFound
from domain.kernel.names import GROUPS, Names


def read_partial_inventory(cloud: Cloud, name: str) -> Inventory:
    """Read a cluster's machines, its public address and its forwards; the rest stays empty.

    Four calls instead of fourteen: a schedule of each minute would use up half of what an account
    may ask in an hour.

    Raises:
        NotFound: nothing carries the cluster's names.
        NameTaken: something carries one of them that cannot be the cluster's.
    """
    names = Names(name)
    groups = {names.group(group) for group in GROUPS}
    vpc = the_one("router", names.router, cloud.find_vpcs(names.router))
    machines = [one for one in cloud.find_instances(names.prefix) if one.name in groups]
    if vpc is None and not machines:
        raise NotFound(
            f"there is no cluster {name} in zone {cloud.zone}; "
            f"make it with: python -m flows.provision --name {name}"
        )
    return Inventory(
        name=name,
        vpc=vpc,
        address=the_one("public address", names.address, cloud.find_eips(names.address)),
        forwards=tuple(cloud.list_port_forwards(vpc.id)) if vpc else (),
        instances=tuple(machine for machine in machines if machine.is_alive),
    )


def add_balancer(cloud: Cloud, inventory: Inventory) -> Inventory:
    """Read the load balancer, too, which is one more call. Raises `NameTaken`."""
    name = Names(inventory.name).balancer
    return replace(
        inventory, balancer=the_one("load balancer", name, cloud.find_loadbalancers(name))
    )

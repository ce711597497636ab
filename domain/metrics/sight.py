"""As much of a cluster as a collection needs, in as few calls as that takes."""

from domain.cloud import Cloud
from domain.errors import NotFound
from domain.names import GROUPS, Names
from domain.view import ClusterView, the_one


def read_sight(cloud: Cloud, name: str, *, with_balancer: bool = False) -> ClusterView:
    """Read a cluster's machines, its public address and its forwards; the rest stays empty.

    Four calls instead of fourteen: a schedule of each minute would use up half of what an account
    may ask in an hour.

    Args:
        with_balancer: read the load balancer, too, which is one more call.

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
    balancers = cloud.find_loadbalancers(names.balancer) if with_balancer else ()
    return ClusterView(
        name=name,
        vpc=vpc,
        balancer=the_one("load balancer", names.balancer, balancers),
        address=the_one("public address", names.address, cloud.find_eips(names.address)),
        forwards=tuple(cloud.list_port_forwards(vpc.id)) if vpc else (),
        instances=tuple(machine for machine in machines if machine.is_alive),
    )

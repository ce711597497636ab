"""The private network: VPC, vxnets, public address, port forwards."""

import time
from collections.abc import Sequence
from functools import partial

from domain.cloud.api import Cloud
from domain.cloud.creating import create_once
from domain.cloud.inventory import by_name, id_of
from domain.cloud.jobs import wait_for_jobs
from domain.cloud.records import Eip, PortForward, PortForwardSpec, Vpc, Vxnet
from domain.cloud.surplus import choose
from domain.kernel.ensured import Ensured
from domain.kernel.errors import InvalidSpec, NameTaken, NotFound
from domain.kernel.names import Names, cluster_of
from domain.kernel.waiting import Clock, wait_for, when_free
from domain.spec.cluster import ClusterSpec
from domain.spec.network import Access, PublicAddress


def ensure_vpc(
    cloud: Cloud, spec: ClusterSpec, firewall_id: str, clock: Clock = time
) -> Ensured[Vpc]:
    """Return the cluster's VPC, active; create a missing one.

    Safe to repeat: the name is the identity. The create call has no idempotency token, so after a
    lost reply the only safe next step is to look again.

    Raises:
        NameTaken: the name belongs to another network, or to several.
    """
    name = Names(spec.name).router
    found = choose("router", cloud.known.find_vpcs(name))
    if found:
        check_vpc(found, spec)
        settled = found if found.is_settled else _settled(cloud, found.id, clock)
        return Ensured(settled, f"kept {found.id}")

    def create() -> str:
        router_id, job = cloud.create_vpc(name, spec.network.vpc_cidr, firewall_id)
        wait_for_jobs(cloud, [job], clock=clock)
        return router_id

    def look() -> str | None:
        return id_of(choose("router", cloud.find_vpcs(name)))

    router_id = create_once(create, look, what=f"router {name}", clock=clock)
    return Ensured(_settled(cloud, router_id, clock), f"created {router_id}")


def check_vpc(vpc: Vpc, spec: ClusterSpec) -> None:
    """Refuse a VPC of our name with another address range. Raises `NameTaken`."""
    if vpc.cidr != spec.network.vpc_cidr:
        raise NameTaken(
            f"the router {vpc.name} ({vpc.id}) has the network {vpc.cidr}, wanted is "
            f"{spec.network.vpc_cidr}; use its range or choose another cluster name"
        )


def check_vxnet(vxnet: Vxnet, cidr: str) -> None:
    """Refuse a vxnet of our name with another range. Raises `NameTaken`."""
    if vxnet.cidr and vxnet.cidr != cidr:
        raise NameTaken(
            f"the vxnet {vxnet.name} ({vxnet.id}) has the network {vxnet.cidr}, wanted is "
            f"{cidr}; use its range or choose another cluster name"
        )


JOINING = 60.0
"""Seconds for which the cloud may not list a vxnet as joined although it has joined."""


def ensure_vxnets(
    cloud: Cloud, spec: ClusterSpec, vpc: Vpc, count: int, clock: Clock = time
) -> Ensured[tuple[Vxnet, ...]]:
    """Create the first `count` vxnets and join them to the router, one after the other.

    A machine gets no address in a vxnet that has not joined, and a router accepts one change at a
    time.
    """
    names = Names(spec.name)
    found = by_name(cloud.known.find_vxnets(names.vxnets))
    done: list[str] = []
    for number in range(1, count + 1):
        name, cidr = names.vxnet(number), spec.network.vxnet_cidr(number)
        vxnet = found.get(name)
        if vxnet:
            check_vxnet(vxnet, cidr)
        vxnet_id = vxnet.id if vxnet else _create_vxnet(cloud, names, name, clock)
        if not (vxnet and vxnet.router_id):
            job = when_free(
                partial(_join, cloud, names, vxnet_id, vpc.id, cidr),
                what=f"joining {vxnet_id} to {vpc.id}",
                clock=clock,
                refused_for=JOINING,
            )
            wait_for_jobs(cloud, [job], clock=clock)
            done.append(vxnet_id)

    def joined(cloud: Cloud) -> tuple[Vxnet, ...] | None:
        seen = by_name(cloud.find_vxnets(names.vxnets))
        wanted = [seen.get(names.vxnet(number)) for number in range(1, count + 1)]
        done = tuple(vxnet for vxnet in wanted if vxnet and vxnet.router_id == vpc.id)
        return done if len(done) == count else None

    vxnets = joined(cloud.known) or wait_for(
        lambda: joined(cloud), what=f"{count} vxnets joined to {vpc.id}", clock=clock
    )
    did = f"created {' '.join(done)}" if done else f"kept {' '.join(v.id for v in vxnets)}"
    return Ensured(vxnets, did)


def _create_vxnet(cloud: Cloud, names: Names, name: str, clock: Clock) -> str:
    def look() -> str | None:
        return id_of(by_name(cloud.find_vxnets(names.vxnets)).get(name))

    return create_once(lambda: cloud.create_vxnet(name), look, what=f"vxnet {name}", clock=clock)


def _join(cloud: Cloud, names: Names, vxnet_id: str, router_id: str, cidr: str) -> str:
    """Join a vxnet; at each attempt the cloud is asked first, as an earlier one may have acted."""
    joined = {vxnet.id for vxnet in cloud.find_vxnets(names.vxnets) if vxnet.router_id}
    return "" if vxnet_id in joined else cloud.join_router(vxnet_id, router_id, cidr)


def ensure_address(
    cloud: Cloud, cluster: str, wanted: PublicAddress, clock: Clock = time
) -> Ensured[Eip]:
    """Return the cluster's public address; allocate a missing one, which is billed from then on."""
    name = Names(cluster).address

    def usable(cloud: Cloud) -> Eip | None:
        eip = choose("public address", cloud.find_eips(name))
        return (
            eip if eip and eip.address and not eip.transition and eip.status != "pending" else None
        )

    found = choose("public address", cloud.known.find_eips(name))
    if found is None:
        create_once(
            lambda: cloud.allocate_eip(name, wanted.bandwidth_mbps, wanted.billing),
            lambda: id_of(choose("public address", cloud.find_eips(name))),
            what=f"public address {name}",
            clock=clock,
        )
    eip = usable(cloud.known) or wait_for(
        lambda: usable(cloud), what=f"public address {name}", clock=clock
    )
    return Ensured(eip, f"{'kept' if found else 'created'} {eip.id} ({eip.address})")


def ensure_bound(cloud: Cloud, vpc: Vpc, eip: Eip, clock: Clock = time) -> Ensured[Vpc]:
    """Bind the public address to the router; without it the machines cannot reach mirrors.

    Raises:
        NameTaken: the router has another public address.
    """
    now = _known(cloud, vpc)
    if now.eip_id and now.eip_id != eip.id:
        raise NameTaken(
            f"the router {vpc.name} ({vpc.id}) has the public address {now.eip_id}, "
            f"not this cluster's {eip.id}; unbind it in the console"
        )
    bind = now.eip_id != eip.id
    if not bind and now.is_applied and now.is_settled:
        return Ensured(now, f"kept {eip.id} on {vpc.id}")
    if bind:
        when_free(
            lambda: cloud.bind_eip_to_router(vpc.id, eip.id),
            what=f"binding {eip.id} to {vpc.id}",
            clock=clock,
        )
    apply_changes(cloud, vpc.id, clock)

    def bound() -> Vpc | None:
        seen = cloud.read_vpc(vpc.id)
        return seen if seen.eip_id == eip.id and seen.is_settled else None

    after = wait_for(bound, what=f"{eip.id} on {vpc.id}", clock=clock)
    return Ensured(after, f"bound {eip.id}")


def _known(cloud: Cloud, vpc: Vpc) -> Vpc:
    """The router as this run has read it last. Raises `NotFound` where it does not exist."""
    known = cloud.known  # one with a name of ours is among those that the run has read
    found = known.find_vpcs(vpc.name) if cluster_of(vpc.name) else known.read_vpcs((vpc.id,))
    for seen in found:
        if seen.id == vpc.id:
            return seen
    raise NotFound(
        f"the router {vpc.name} ({vpc.id}) does not exist any more; run the same command again"
    )


def apply_changes(cloud: Cloud, router_id: str, clock: Clock = time) -> None:
    """Apply stored changes of the router; until then they have no effect."""
    job = when_free(
        lambda: cloud.update_router(router_id), what=f"updating {router_id}", clock=clock
    )
    wait_for_jobs(cloud, [job], clock=clock)


def wanted_forwards(
    cluster: str, access: Access, balancer_ip: str, master_ip: str
) -> tuple[PortForwardSpec, ...]:
    """The ports of the public address: API and UI to the load balancer, SSH to the master."""
    prefix = Names(cluster).prefix
    return (
        PortForwardSpec(prefix + "api", access.api_port, balancer_ip, access.api_port),
        PortForwardSpec(prefix + "ui", access.ui_port, balancer_ip, access.ui_port),
        PortForwardSpec(Names(cluster).ssh, access.ssh_port, master_ip, 22),
    )


def forwards_to_add(
    wanted: Sequence[PortForwardSpec], seen: Sequence[PortForward]
) -> tuple[PortForwardSpec, ...]:
    existing = {_route(forward.spec) for forward in seen}
    return tuple(spec for spec in wanted if _route(spec) not in existing)


def forwards_to_delete(
    cluster: str, wanted: Sequence[PortForwardSpec], seen: Sequence[PortForward]
) -> tuple[PortForward, ...]:
    """Forwards of ours that are not wanted, or lead to another target than the wanted one."""
    routes = {_route(spec) for spec in wanted}
    ours = (forward for forward in seen if is_our_forward(cluster, forward.spec))
    return tuple(forward for forward in ours if _route(forward.spec) not in routes)


def is_our_forward(cluster: str, forward: PortForwardSpec) -> bool:
    """Whether a forward bears the cluster's name; others were made by hand."""
    return forward.name.startswith(Names(cluster).prefix)


def is_ssh(cluster: str, forward: PortForwardSpec) -> bool:
    """Whether a forward is that of SSH to a master."""
    return forward.name == Names(cluster).ssh


def describe_forward(forward: PortForwardSpec) -> str:
    """Describe a forward: `web: 8090 to 192.168.1.9:80`."""
    name = f"{forward.name}: " if forward.name else ""
    return f"{name}{forward.public_port} to {forward.target}:{forward.target_port}"


def check_ports_free(cluster: str, access: Access, seen: Sequence[PortForward]) -> None:
    """Refuse ports of the router's address that are forwarded elsewhere by hand.

    Raises:
        InvalidSpec: names the forward.
    """
    wanted = {access.api_port, access.ui_port, access.ssh_port}
    for forward in seen:
        if forward.spec.public_port in wanted and not is_our_forward(cluster, forward.spec):
            raise InvalidSpec(
                f"port {forward.spec.public_port} of the router's address is forwarded by hand "
                f"({forward.id}, {describe_forward(forward.spec)}); delete that forward, or choose "
                "another port under `access`"
            )


def _route(spec: PortForwardSpec) -> tuple[int, str, int]:
    return (spec.public_port, spec.target, spec.target_port)


def ensure_forwards(
    cloud: Cloud, cluster: str, vpc: Vpc, wanted: Sequence[PortForwardSpec], clock: Clock = time
) -> Ensured[tuple[PortForwardSpec, ...]]:
    """Publish these ports on the router's address, and apply the changes.

    Forwards made by hand stay.
    """
    seen = cloud.known.list_port_forwards(vpc.id)
    stale, missing = forwards_to_delete(cluster, wanted, seen), forwards_to_add(wanted, seen)
    ports = ", ".join(str(spec.public_port) for spec in wanted)
    if not stale and not missing and _known(cloud, vpc).is_applied:
        return Ensured(tuple(wanted), f"kept {ports}")
    if stale:
        cloud.delete_port_forwards([forward.id for forward in stale])
    if missing:
        when_free(
            lambda: cloud.add_port_forwards(vpc.id, missing),
            what=f"port forwards of {vpc.id}",
            clock=clock,
        )
    apply_changes(cloud, vpc.id, clock)
    _settled(cloud, vpc.id, clock)
    return Ensured(tuple(wanted), f"published {ports}")


def _settled(cloud: Cloud, router_id: str, clock: Clock) -> Vpc:
    def look() -> Vpc | None:
        vpc = cloud.read_vpc(router_id)
        return vpc if vpc.is_settled else None

    return wait_for(look, what=f"router {router_id} active", clock=clock)

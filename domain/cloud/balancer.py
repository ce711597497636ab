"""The load balancer inside the VPC: one address for all masters."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from domain.cloud.api import Cloud
from domain.cloud.creating import create_once
from domain.cloud.firewall import APISERVER_PORT
from domain.cloud.inventory import id_of
from domain.cloud.jobs import wait_for_jobs
from domain.cloud.records import Backend, Instance, Listener, ListenerSpec, LoadBalancer
from domain.cloud.surplus import choose
from domain.kernel.ensured import Ensured
from domain.kernel.names import Names
from domain.kernel.waiting import Clock, wait_for, when_free
from domain.spec.network import Access

UI_NODE_PORT = 30443


@dataclass(frozen=True, slots=True)
class Route:
    """A listener, and the port on the masters that it forwards to."""

    listener: ListenerSpec
    backend_port: int


def wanted_routes(cluster: str, access: Access) -> tuple[Route, ...]:
    """The public API, the API for the nodes, and the public UI."""
    prefix = Names(cluster).prefix
    return (
        Route(ListenerSpec(prefix + "api", access.api_port), APISERVER_PORT),
        Route(ListenerSpec(prefix + "nodes", APISERVER_PORT), APISERVER_PORT),
        Route(ListenerSpec(prefix + "ui", access.ui_port), UI_NODE_PORT),
    )


def ensure_balancer(
    cloud: Cloud, cluster: str, vxnet_id: str, firewall_id: str, clock: Clock = time
) -> Ensured[LoadBalancer]:
    """Return the load balancer, active and with its private address; create a missing one."""
    name = Names(cluster).balancer
    found = choose("load balancer", cloud.known.find_loadbalancers(name))
    if found is None:

        def create() -> str:
            balancer_id, job = cloud.create_loadbalancer(name, vxnet_id, firewall_id)
            wait_for_jobs(cloud, [job], clock=clock)
            return balancer_id

        create_once(
            create,
            lambda: id_of(choose("load balancer", cloud.find_loadbalancers(name))),
            what=f"load balancer {name}",
            clock=clock,
        )
    balancer = _settled(cloud, name, clock)
    return Ensured(balancer, f"{'kept' if found else 'created'} {balancer.id}")


def routes_to_add(wanted: Sequence[Route], seen: Sequence[Listener]) -> tuple[Route, ...]:
    ports = {listener.port for listener in seen}
    return tuple(route for route in wanted if route.listener.port not in ports)


def listeners_to_delete(
    cluster: str, wanted: Sequence[Route], seen: Sequence[Listener]
) -> tuple[Listener, ...]:
    """The cluster's own listeners on unwanted ports; foreign listeners are never deleted."""
    right = {(route.listener.name, route.listener.port) for route in wanted}
    ours = (one for one in seen if one.name.startswith(Names(cluster).prefix))
    return tuple(one for one in ours if (one.name, one.port) not in right)


def backends_to_add(
    wanted: Sequence[Route],
    listeners: Sequence[Listener],
    seen: Sequence[Backend],
    masters: Sequence[Instance],
) -> tuple[tuple[Listener, Instance, int], ...]:
    """The (listener, master, port) triples that do not exist yet."""
    port_of = {route.listener.port: route.backend_port for route in wanted}
    existing = {(backend.listener_id, backend.instance_id, backend.port) for backend in seen}
    return tuple(
        (listener, master, port_of[listener.port])
        for listener in listeners
        if listener.port in port_of
        for master in masters
        if (listener.id, master.id, port_of[listener.port]) not in existing
    )


def our_backends(
    cluster: str, listeners: Sequence[Listener], seen: Sequence[Backend]
) -> tuple[Backend, ...]:
    """The backends of the cluster's own listeners; those of foreign ones are never changed."""
    prefix = Names(cluster).prefix
    ours = {listener.id for listener in listeners if listener.name.startswith(prefix)}
    return tuple(backend for backend in seen if backend.listener_id in ours)


def backends_to_delete(seen: Sequence[Backend], masters: Sequence[Instance]) -> tuple[Backend, ...]:
    """Backends whose machine is no longer a master: connections to them would be lost."""
    ids = {master.id for master in masters}
    return tuple(backend for backend in seen if backend.instance_id not in ids)


def ensure_routes(
    cloud: Cloud,
    cluster: str,
    wanted: Sequence[Route],
    masters: Sequence[Instance],
    clock: Clock = time,
) -> Ensured[LoadBalancer]:
    """Create and delete listeners and backends until they are as wanted, and apply the changes."""
    balancer = _settled(cloud, Names(cluster).balancer, clock)
    listeners = cloud.known.list_listeners(balancer.id)
    extra = listeners_to_delete(cluster, wanted, listeners)
    if extra:
        cloud.delete_listeners([listener.id for listener in extra])
    new = routes_to_add(wanted, [one for one in listeners if one not in extra])
    if new:
        cloud.add_listeners(balancer.id, [route.listener for route in new])
    seen = cloud.known.list_backends(balancer.id)
    ours = our_backends(cluster, listeners, seen)
    stale = backends_to_delete(ours, masters)
    if stale:
        cloud.delete_backends([backend.id for backend in stale])
    missing = backends_to_add(wanted, cloud.known.list_listeners(balancer.id), seen, masters)
    for listener, master, port in missing:
        cloud.add_backend(listener.id, f"{listener.name}-{master.id}", master.id, port)
    ports = ", ".join(str(route.listener.port) for route in wanted)
    if not (extra or new or stale or missing or not balancer.is_applied):
        return Ensured(balancer, f"kept {ports}")
    apply_changes(cloud, balancer, clock)
    return Ensured(_settled(cloud, balancer.name, clock), f"listens on {ports}")


def apply_changes(cloud: Cloud, balancer: LoadBalancer, clock: Clock = time) -> None:
    """Apply stored changes of listeners and backends; until then they have no effect."""
    job = when_free(
        lambda: cloud.update_loadbalancer(balancer.id), what=f"updating {balancer.id}", clock=clock
    )
    wait_for_jobs(cloud, [job], clock=clock)


def _settled(cloud: Cloud, name: str, clock: Clock) -> LoadBalancer:
    def look(cloud: Cloud) -> LoadBalancer | None:
        balancer = choose("load balancer", cloud.find_loadbalancers(name))
        return balancer if balancer and balancer.is_settled and balancer.private_ip else None

    return look(cloud.known) or wait_for(
        lambda: look(cloud), what=f"load balancer {name} active", clock=clock
    )

"""The plan of a cluster: existing resources compared with wanted ones."""

from collections.abc import Iterator, Mapping, Sequence

from domain.cloud.balancer import (
    backends_to_add,
    backends_to_delete,
    listeners_to_delete,
    routes_to_add,
    wanted_routes,
)
from domain.cloud.firewall import firewall_rules, machine_rules, rules_to_add, rules_to_delete
from domain.cloud.inventory import Inventory
from domain.cloud.network import forwards_to_add, forwards_to_delete, wanted_forwards
from domain.cloud.plan import Action, Plan, PlanItem
from domain.cloud.records import Eip, Instance, PortForwardSpec, Rule, RuleSpec, SecurityGroup
from domain.kernel.names import GROUPS, MASTERS, Names
from domain.spec.cluster import ClusterSpec

AS_WANTED = "as wanted"
MISSING = "missing"
STALE = "not wanted any more"
SURPLUS = "another one of its name is in use"


def plan_cluster(
    spec: ClusterSpec, inventory: Inventory, images: Mapping[str, str] | None = None
) -> Plan:
    """Compare a description with the existing resources.

    A count is never lowered: machines above it are kept, and the plan names `scale`.

    Args:
        images: the image id of new machines by group, where it is known.
    """
    items = [*_network(spec, inventory), *_firewalls(spec, inventory), *_balancer(spec, inventory)]
    items += [
        *_machines(spec, inventory, images or {}),
        *_forwards(spec, inventory),
        *_tag(inventory),
        *_surplus(inventory, SURPLUS),
    ]
    return Plan(spec.name, tuple(items))


def plan_teardown(inventory: Inventory) -> Plan:
    """Delete all existing resources, in the order in which the cloud allows it."""
    reason = "the cluster is torn down"

    def deleted(kind: str, name: str, resource_id: str, billed: bool = False) -> PlanItem:
        return PlanItem(kind, name, Action.DELETE, reason, resource_id, billed=billed)

    items = [deleted("machine", m.name, m.id, billed=True) for m in inventory.instances]
    if inventory.balancer:
        items.append(
            deleted("load balancer", inventory.balancer.name, inventory.balancer.id, billed=True)
        )
    items += [deleted("vxnet", vxnet.name, vxnet.id) for vxnet in inventory.vxnets]
    if inventory.vpc:
        items.append(deleted("router", inventory.vpc.name, inventory.vpc.id, billed=True))
    if inventory.address:
        items.append(
            deleted("public address", inventory.address.name, inventory.address.id, billed=True)
        )
    items += [
        deleted("security group", group.name, group.id)
        for group in (inventory.firewall, inventory.machine_group)
        if group
    ]
    if inventory.keypair:
        items.append(deleted("key pair", inventory.keypair.name, inventory.keypair.id))
    if inventory.tag:
        items.append(deleted("tag", inventory.tag.name, inventory.tag.id))
    items += _surplus(inventory, reason)
    return Plan(inventory.name, tuple(items))


def plan_scale(inventory: Inventory, group: str, count: int, leaving: Sequence[str]) -> Plan:
    """Add machines to a group, or remove those whose ids are `leaving`."""
    name = Names(inventory.name).group(group)
    existing = len(inventory.group(group))
    reason = f"{existing} exist, {count} wanted"
    items = [PlanItem("machine", name, Action.DELETE, reason, m, billed=True) for m in leaving]
    if count > existing:
        missing = count - existing
        items.append(PlanItem("machine", name, Action.CREATE, reason, count=missing, billed=True))
    kept = [machine.id for machine in inventory.group(group) if machine.id not in leaving]
    items += [PlanItem("machine", name, Action.KEEP, AS_WANTED, machine) for machine in kept]
    return Plan(inventory.name, tuple(items))


def _one(kind: str, name: str, resource_id: str | None, *, billed: bool = False) -> PlanItem:
    if resource_id:
        return PlanItem(kind, name, Action.KEEP, AS_WANTED, resource_id, billed=billed)
    return PlanItem(kind, name, Action.CREATE, MISSING, billed=billed)


def _network(spec: ClusterSpec, inventory: Inventory) -> Iterator[PlanItem]:
    names = Names(spec.name)
    yield _one("router", names.router, inventory.vpc.id if inventory.vpc else None, billed=True)
    existing = {vxnet.name: vxnet for vxnet in inventory.vxnets}
    machines = max(spec.masters.count + spec.nodes.count, len(inventory.instances))
    for number in range(1, spec.vxnets_for(machines) + 1):
        name = names.vxnet(number)
        vxnet = existing.get(name)
        if vxnet and not vxnet.router_id:
            yield PlanItem("vxnet", name, Action.CHANGE, "has not joined the router", vxnet.id)
        else:
            yield _one("vxnet", name, vxnet.id if vxnet else None)
    eip = inventory.address
    if eip and inventory.vpc and inventory.vpc.eip_id != eip.id:
        yield PlanItem(
            "public address", names.address, Action.CHANGE, "not on the router", eip.id, billed=True
        )
    elif eip and (note := _other_address(eip, spec)):
        yield PlanItem("public address", names.address, Action.KEEP, note, eip.id, billed=True)
    else:
        yield _one("public address", names.address, eip.id if eip else None, billed=True)


def _other_address(eip: Eip, spec: ClusterSpec) -> str:
    """Describe how an address differs from the wanted one; empty if it does not."""
    has = f"{eip.bandwidth_mbps} Mbps by {eip.billing}"
    wanted = f"{spec.address.bandwidth_mbps} Mbps by {spec.address.billing}"
    return "" if has == wanted else f"has {has}, wanted is {wanted}; the console changes it"


def _firewalls(spec: ClusterSpec, inventory: Inventory) -> Iterator[PlanItem]:
    names = Names(spec.name)
    yield _group(names.firewall, inventory.firewall, inventory.firewall_rules, firewall_rules(spec))
    yield _group(
        names.machines, inventory.machine_group, inventory.machine_rules, machine_rules(spec)
    )
    keypair = inventory.keypair
    yield _one("key pair", names.keypair, keypair.id if keypair else None)


def _group(
    name: str, group: SecurityGroup | None, seen: Sequence[Rule], wanted: Sequence[RuleSpec]
) -> PlanItem:
    if group is None:
        return PlanItem("security group", name, Action.CREATE, f"{MISSING}, {len(wanted)} rules")
    missing, stale = rules_to_add(wanted, seen), rules_to_delete(wanted, seen)
    if missing or stale:
        reason = f"{len(missing)} rules missing, {len(stale)} unwanted"
        return PlanItem("security group", name, Action.CHANGE, reason, group.id)
    if not group.is_applied:
        return PlanItem("security group", name, Action.CHANGE, "rules not applied yet", group.id)
    return _one("security group", name, group.id)


def _balancer(spec: ClusterSpec, inventory: Inventory) -> Iterator[PlanItem]:
    name = Names(spec.name).balancer
    balancer, wanted = inventory.balancer, wanted_routes(spec.name, spec.access)
    yield _one("load balancer", name, balancer.id if balancer else None, billed=True)
    stale = listeners_to_delete(spec.name, wanted, inventory.listeners)
    kept = [listener for listener in inventory.listeners if listener not in stale]
    new = {route.listener.port for route in routes_to_add(wanted, kept)}
    ids = {listener.port: listener.id for listener in kept}
    masters = inventory.masters[: spec.masters.count]
    missing = backends_to_add(wanted, kept, inventory.backends, masters)
    stale_backends = backends_to_delete(inventory.backends, masters)
    for route in wanted:
        port, listener_id = route.listener.port, ids.get(route.listener.port, "")
        lacks = any(listener.port == port for listener, _, _ in missing)
        has_stale = any(backend.listener_id == listener_id for backend in stale_backends)
        if port in new:
            yield PlanItem("listener", route.listener.name, Action.CREATE, MISSING)
        elif lacks or has_stale or not inventory.masters:
            reason = "its backends are not the masters"
            yield PlanItem("listener", route.listener.name, Action.CHANGE, reason, listener_id)
        elif balancer and not balancer.is_applied:
            reason = "changes not applied yet"
            yield PlanItem("listener", route.listener.name, Action.CHANGE, reason, listener_id)
        else:
            yield _one("listener", route.listener.name, listener_id)
    for extra in stale:
        yield PlanItem("listener", extra.name, Action.DELETE, STALE, extra.id)


def _machines(
    spec: ClusterSpec, inventory: Inventory, images: Mapping[str, str]
) -> Iterator[PlanItem]:
    for group in GROUPS:
        name, wanted = Names(spec.name).group(group), spec.count(group)
        existing = inventory.group(group)
        over = len(existing) - wanted
        needed = (*inventory.nodes, *inventory.masters[:wanted])
        surplus = inventory.unneeded(needed) if group == MASTERS else ()
        for machine in surplus:
            yield PlanItem("machine", name, Action.DELETE, SURPLUS, machine.id, billed=True)
        for machine in existing:
            if machine in surplus:
                continue
            note = _difference(machine, spec.template(group).instance_type, images.get(group))
            if over > 0:
                note = f"{over} more than wanted; `flows.scale` removes"
            yield PlanItem("machine", name, Action.KEEP, note or AS_WANTED, machine.id, billed=True)
        if over < 0:
            reason = f"{len(existing)} exist, {wanted} wanted"
            yield PlanItem("machine", name, Action.CREATE, reason, count=-over, billed=True)


def _difference(machine: Instance, type_id: str, image_id: str | None) -> str:
    """Describe how a machine differs from new ones; a machine itself is never changed."""
    pairs = [("type", machine.type_id, type_id), ("image", machine.image_id, image_id)]
    other = [(what, has, new) for what, has, new in pairs if new and has != new]
    return "; ".join(f"has {what} {has}, {new} is for new machines" for what, has, new in other)


def _forwards(spec: ClusterSpec, inventory: Inventory) -> Iterator[PlanItem]:
    balancer_ip = inventory.balancer.private_ip if inventory.balancer else ""
    master_ip = inventory.masters[0].private_ip if inventory.masters else ""
    wanted = wanted_forwards(spec.name, spec.access, balancer_ip, master_ip)
    new: tuple[PortForwardSpec, ...] = forwards_to_add(wanted, inventory.forwards)
    ids = {forward.spec.public_port: forward.id for forward in inventory.forwards}
    for forward in wanted:
        seen = ids.get(forward.public_port)
        name = forward.name
        if forward not in new:
            if inventory.vpc and not inventory.vpc.is_applied:
                yield PlanItem(
                    "port forward", name, Action.CHANGE, "changes not applied yet", seen or ""
                )
            else:
                yield _one("port forward", name, seen)
        elif seen:
            target = f"{forward.target or '(new)'}:{forward.target_port}"
            yield PlanItem("port forward", name, Action.REPLACE, f"must lead to {target}", seen)
        else:
            yield PlanItem("port forward", name, Action.CREATE, MISSING)
    for extra in forwards_to_delete(wanted, inventory.forwards):
        if extra.spec.public_port not in {forward.public_port for forward in wanted}:
            yield PlanItem("port forward", extra.spec.name, Action.DELETE, STALE, extra.id)


BILLED = ("load balancer", "router", "public address")


def _surplus(inventory: Inventory, reason: str) -> Iterator[PlanItem]:
    for one in inventory.surplus:
        billed = one.kind in BILLED
        yield PlanItem(one.kind, one.name, Action.DELETE, reason, one.id, billed=billed)


def _tag(inventory: Inventory) -> Iterator[PlanItem]:
    yield _one("tag", Names(inventory.name).tag, inventory.tag.id if inventory.tag else None)

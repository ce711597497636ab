"""The plan of a cluster: existing resources compared with wanted ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.cloud.adopted import REASON as ADOPTED
from domain.cloud.adopting import our_rules
from domain.cloud.balancer import (
    backends_to_add,
    backends_to_delete,
    listeners_to_delete,
    routes_to_add,
    wanted_routes,
)
from domain.cloud.firewall import (
    describe_rule,
    firewall_rules,
    is_our_rule,
    is_wanted,
    machine_rules,
    router_rules,
    rules_to_add,
    rules_to_delete,
)
from domain.cloud.foreign import Surroundings, find_staying
from domain.cloud.inventory import Inventory
from domain.cloud.network import (
    describe_forward,
    forwards_to_add,
    forwards_to_delete,
    is_our_forward,
    wanted_forwards,
)
from domain.cloud.outdated import find_difference, recipe_of
from domain.cloud.plan import Action, Plan, PlanItem
from domain.cloud.records import (
    Eip,
    PortForwardSpec,
    Rule,
    RuleSpec,
    SecurityGroup,
    Volume,
    Vpc,
    Vxnet,
)
from domain.kernel.names import MASTERS, Names
from domain.spec.cluster import ClusterSpec

AS_WANTED = "as wanted"
MISSING = "missing"
STALE = "not wanted any more"
SURPLUS = "another one of its name is in use"
BY_HAND = "made by hand"
TORN_DOWN = "the cluster is torn down"

NOTHING_ELSE = Surroundings()


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


def plan_teardown(inventory: Inventory, surroundings: Surroundings = NOTHING_ELSE) -> Plan:
    """Delete what exists, in the order in which the cloud allows it, and name what stays."""
    staying = find_staying(inventory, surroundings)
    going = inventory.own.without(staying)
    items = [*_addons(surroundings), *map(_deleted, _parts(going))]
    items += _made_by_hand(going)
    items += [
        replace(_deleted(part), action=Action.KEEP, reason=staying[part.id])
        for part in _parts(inventory.own)
        if part.id in staying
    ]
    items += [
        PlanItem(one.kind, one.name, Action.KEEP, f"not this cluster's; in {one.where}", one.id)
        for one in surroundings.foreign
    ]
    items += _surplus(inventory, "the cluster is torn down")
    items += _given_back(inventory)
    return Plan(inventory.name, tuple(items))


@dataclass(frozen=True, slots=True)
class _Part:
    kind: str
    name: str
    id: str
    billed: bool = False


def _deleted(part: _Part, reason: str = TORN_DOWN) -> PlanItem:
    return PlanItem(part.kind, part.name, Action.DELETE, reason, part.id, billed=part.billed)


def _parts(inventory: Inventory) -> Iterator[_Part]:
    """All resources of a cluster, in the order in which the cloud allows their deletion."""
    for machine in inventory.instances:
        yield _Part("machine", machine.name, machine.id, billed=True)
    if balancer := inventory.balancer:
        yield _Part("load balancer", balancer.name, balancer.id, billed=True)
    for vxnet in inventory.vxnets:
        yield _Part("vxnet", vxnet.name, vxnet.id)
    if vpc := inventory.vpc:
        yield _Part("router", vpc.name, vpc.id, billed=True)
    if address := inventory.address:
        yield _Part("public address", address.name, address.id, billed=True)
    for group in (inventory.firewall, inventory.machine_group):
        if group:
            yield _Part("security group", group.name, group.id)
    if keypair := inventory.keypair:
        yield _Part("key pair", keypair.name, keypair.id)
    if tag := inventory.tag:
        yield _Part("tag", tag.name, tag.id)


def _addons(surroundings: Surroundings) -> Iterator[PlanItem]:
    """What the cluster's add-ons have made, each with what it was made for."""
    addons = surroundings.addons
    for kind, made in (
        ("load balancer", addons.balancers),
        ("public address", addons.addresses),
        ("security group", addons.groups),
        ("volume", addons.volumes),
    ):
        for one in made:
            purpose = addons.requests.purpose_of(one)
            reason = f"made by an add-on for {purpose}" if purpose else "made by an add-on"
            part = _Part(kind, one.name, one.id, billed=kind != "security group")
            item = _deleted(part, reason)
            keeps = surroundings.keeps_addons
            yield replace(item, action=Action.KEEP, reason=f"kept; {reason}") if keeps else item
    for kept in addons.retained:
        is_volume = isinstance(kept, Volume)
        reason = "its policy is Retain" if is_volume else "was lent to a Service by its user"
        kind = "volume" if is_volume else "public address"
        yield PlanItem(kind, kept.name, Action.KEEP, reason, kept.id, billed=True)


def _given_back(inventory: Inventory) -> Iterator[PlanItem]:
    """What stays because it was adopted, without what the cluster has added to it."""
    for rule in our_rules(inventory.name, inventory.router_rules):
        yield _deleted(_Part("firewall rule", describe_rule(rule.spec), rule.id))
    if inventory.adopted.vpc:
        for forward in inventory.forwards:
            if is_our_forward(inventory.name, forward.spec):
                yield _deleted(_Part("port forward", forward.spec.name, forward.id))
    yield from _adopted(inventory)


def _adopted(inventory: Inventory) -> Iterator[PlanItem]:
    for kind, one in adopted_parts(inventory):
        yield PlanItem(kind, one.name, Action.KEEP, ADOPTED, one.id)


def adopted_parts(inventory: Inventory) -> Iterator[tuple[str, Vpc | Vxnet | Eip]]:
    """The adopted resources that exist, each with its kind."""
    found: Sequence[Vpc | Vxnet | Eip | None]
    for kind, found in (
        ("router", [inventory.vpc]),
        ("vxnet", inventory.vxnets),
        ("public address", [inventory.address]),
    ):
        yield from ((kind, one) for one in found if one and one.id in inventory.adopted.ids)


def _made_by_hand(inventory: Inventory) -> Iterator[PlanItem]:
    """Rules and forwards made by hand that are deleted together with what they are in."""
    rules = (*inventory.firewall_rules, *inventory.machine_rules)
    for rule in rules:
        if not is_our_rule(rule.spec):
            part = _Part("firewall rule", describe_rule(rule.spec), rule.id)
            yield _deleted(part, f"made by hand; goes with {rule.group_id}")
    for forward in inventory.forwards:
        if not is_our_forward(inventory.name, forward.spec):
            part = _Part("port forward", describe_forward(forward.spec), forward.id)
            yield _deleted(part, f"made by hand; goes with {forward.router_id}")


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
    names, adopted = Names(spec.name), inventory.adopted
    yield from _adopted(inventory)
    if not adopted.vpc:
        yield _one("router", names.router, inventory.vpc.id if inventory.vpc else None, billed=True)
    existing = {vxnet.name: vxnet for vxnet in inventory.own_vxnets}
    machines = max(spec.wanted, len(inventory.instances))
    own = 0 if adopted.vxnets else spec.vxnets_for(machines)
    for number in range(1, own + 1):
        name = names.vxnet(number)
        vxnet = existing.get(name)
        if vxnet and not vxnet.router_id:
            yield PlanItem("vxnet", name, Action.CHANGE, "has not joined the router", vxnet.id)
        else:
            yield _one("vxnet", name, vxnet.id if vxnet else None)
    eip, billed = inventory.address, not adopted.eip
    if eip and inventory.vpc and inventory.vpc.eip_id != eip.id:
        yield PlanItem(
            "public address", eip.name, Action.CHANGE, "not on the router", eip.id, billed=billed
        )
    elif adopted.eip:
        return
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
    for rule in (*inventory.firewall_rules, *inventory.machine_rules):
        if not is_our_rule(rule.spec):
            words = describe_rule(rule.spec)
            yield PlanItem("firewall rule", words, Action.KEEP, BY_HAND, rule.id)
    yield from _router_group(spec, inventory)
    keypair = inventory.keypair
    yield _one("key pair", names.keypair, keypair.id if keypair else None)


def _router_group(spec: ClusterSpec, inventory: Inventory) -> Iterator[PlanItem]:
    """The group of an adopted router: only rules with the cluster's name are added and deleted."""
    if group := inventory.router_group:
        wanted, seen = router_rules(spec), inventory.router_rules
        missing = rules_to_add(wanted, seen)
        stale = [rule for rule in our_rules(spec.name, seen) if not is_wanted(rule, wanted)]
        if missing or stale:
            reason = f"{len(missing)} rules of the cluster missing, {len(stale)} unwanted"
            yield PlanItem("security group", group.name, Action.CHANGE, reason, group.id)


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
    masters = inventory.control_plane(spec.masters.count)
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
    for group in inventory.groups_beside(spec.group_names):
        name, wanted = Names(spec.name).group(group), spec.count(group)
        existing = inventory.group(group)
        over = len(existing) - wanted
        needed = (*inventory.nodes, *inventory.control_plane(spec.masters.count))
        surplus = inventory.unneeded(needed) if group == MASTERS else ()
        for machine in surplus:
            yield PlanItem("machine", name, Action.DELETE, SURPLUS, machine.id, billed=True)
        for machine in existing:
            if machine in surplus:
                continue
            note = find_difference(machine, recipe_of(spec, group, images.get(group, "")))
            note += "; `flows.rollout` replaces it" if note and group != MASTERS else ""
            if over > 0:
                note = f"{over} more than wanted; `flows.scale` removes"
            yield PlanItem("machine", name, Action.KEEP, note or AS_WANTED, machine.id, billed=True)
        if over < 0:
            reason = f"{len(existing)} exist, {wanted} wanted"
            yield PlanItem("machine", name, Action.CREATE, reason, count=-over, billed=True)


def _forwards(spec: ClusterSpec, inventory: Inventory) -> Iterator[PlanItem]:
    balancer_ip = inventory.balancer.private_ip if inventory.balancer else ""
    master_ip = inventory.jump_host.private_ip if inventory.jump_host else ""
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
    for extra in inventory.forwards:
        if not is_our_forward(spec.name, extra.spec):
            words = describe_forward(extra.spec)
            yield PlanItem("port forward", words, Action.KEEP, BY_HAND, extra.id)
    for extra in forwards_to_delete(spec.name, wanted, inventory.forwards):
        if extra.spec.public_port not in {forward.public_port for forward in wanted}:
            yield PlanItem("port forward", extra.spec.name, Action.DELETE, STALE, extra.id)


BILLED = ("load balancer", "router", "public address")


def _surplus(inventory: Inventory, reason: str) -> Iterator[PlanItem]:
    for one in inventory.surplus:
        billed = one.kind in BILLED
        yield PlanItem(one.kind, one.name, Action.DELETE, reason, one.id, billed=billed)


def _tag(inventory: Inventory) -> Iterator[PlanItem]:
    yield _one("tag", Names(inventory.name).tag, inventory.tag.id if inventory.tag else None)

"""Security groups: one of the router and the load balancer, one of the machines."""

import re
import time
from collections.abc import Sequence

from domain.cloud.api import Cloud
from domain.cloud.creating import create_once
from domain.cloud.inventory import id_of
from domain.cloud.jobs import wait_for_jobs
from domain.cloud.records import Rule, RuleSpec, SecurityGroup
from domain.cloud.surplus import choose
from domain.kernel.ensured import Ensured
from domain.kernel.names import Names
from domain.kernel.waiting import Clock, wait_for, when_free
from domain.spec.cluster import ClusterSpec

APISERVER_PORT = 6443
NODE_PORTS = (30000, 32767)
BALANCERS = "198.19.0.0/16"
"""The segment of QingCloud's public load balancers, as its cloud controller manager knows it."""


def firewall_rules(spec: ClusterSpec) -> tuple[RuleSpec, ...]:
    """The rules of the router and of the load balancer.

    The router's group filters connections to forwarded ports; the load balancer is also reached
    by the nodes, from inside the VPC.
    """
    outside = _public_rules(spec, "")
    inside = RuleSpec("nodes", "tcp", APISERVER_PORT, APISERVER_PORT, spec.network.vpc_cidr)
    return (*outside, inside)


def router_rules(spec: ClusterSpec) -> tuple[RuleSpec, ...]:
    """The rules for the group of an adopted router, which is not ours: their names say whose."""
    return _public_rules(spec, Names(spec.name).prefix)


def _public_rules(spec: ClusterSpec, prefix: str) -> tuple[RuleSpec, ...]:
    access = spec.access
    public = (("api", access.api_port), ("ui", access.ui_port), ("ssh", access.ssh_port))
    return tuple(
        RuleSpec(f"{prefix}{what}-{number}", "tcp", port, port, source)
        for what, port in public
        for number, source in enumerate(access.allowed_cidrs, start=1)
    )


def machine_rules(spec: ClusterSpec) -> tuple[RuleSpec, ...]:
    """The rules of the machines: everything from the VPC, SSH from the allowed sources.

    Where Services have public load balancers, their connections come from outside of the VPC.

    A port forward keeps the source address of a connection, so the master's rules see it.
    """
    vpc = spec.network.vpc_cidr
    ssh = tuple(
        RuleSpec(f"ssh-{number}", "tcp", 22, 22, source)
        for number, source in enumerate(spec.access.allowed_cidrs, start=1)
    )
    balancers = tuple(
        RuleSpec(f"services-{protocol}", protocol, *NODE_PORTS, BALANCERS)
        for protocol in (("tcp", "udp") if spec.addons.cloud_controller else ())
    )
    return (
        *balancers,
        RuleSpec("vpc-tcp", "tcp", 1, 65535, vpc),
        RuleSpec("vpc-udp", "udp", 1, 65535, vpc),
        RuleSpec("vpc-icmp", "icmp", None, None, vpc),
        *ssh,
    )


def rules_to_add(wanted: Sequence[RuleSpec], seen: Sequence[Rule]) -> tuple[RuleSpec, ...]:
    existing = {_meaning(rule.spec) for rule in seen}
    return tuple(spec for spec in wanted if _meaning(spec) not in existing)


def is_wanted(rule: Rule, wanted: Sequence[RuleSpec]) -> bool:
    """Whether a rule allows what one of the wanted rules allows."""
    return _meaning(rule.spec) in {_meaning(spec) for spec in wanted}


def rules_to_delete(wanted: Sequence[RuleSpec], seen: Sequence[Rule]) -> tuple[Rule, ...]:
    """Rules of ours that allow more than is wanted; rules made by hand are never deleted."""
    meant = {_meaning(spec) for spec in wanted}
    return tuple(
        rule for rule in seen if is_our_rule(rule.spec) and _meaning(rule.spec) not in meant
    )


def is_our_rule(rule: RuleSpec) -> bool:
    """Whether a rule bears one of the names that ours have, now or with other sources."""
    return bool(_OUR_NAMES.fullmatch(rule.name))


_OUR_NAMES = re.compile(r"(api|ui|ssh)-[1-9]\d*|nodes|vpc-(tcp|udp|icmp)|services-(tcp|udp)")


def describe_rule(rule: RuleSpec) -> str:
    """Describe a rule: `backup: tcp 873 from 10.0.0.0/8`."""
    ports = "" if rule.first_port is None else f" {rule.first_port}"
    if rule.last_port not in (None, rule.first_port):
        ports += f"-{rule.last_port}"
    name = f"{rule.name}: " if rule.name else ""
    return f"{name}{rule.protocol}{ports} from {rule.source or 'anywhere'}"


def _meaning(rule: RuleSpec) -> tuple[object, ...]:
    """The effect of a rule; name and priority change nothing in groups without drop rules."""
    any_source = ("", "0.0.0.0/0")
    source = "" if rule.source in any_source else rule.source
    return (rule.protocol, rule.first_port, rule.last_port or rule.first_port, source)


def ensure_security_group(
    cloud: Cloud, name: str, wanted: Sequence[RuleSpec], clock: Clock = time
) -> Ensured[SecurityGroup]:
    """Create the group with these rules; they take effect with `ensure_applied`.

    Rules made by hand stay in it.

    Raises:
        NameTaken: several groups of the name are in use.
    """
    found = choose("security group", cloud.known.find_security_groups(name))
    group_id = found.id if found else _create(cloud, name, clock)
    seen = cloud.known.list_rules(group_id) if found else ()
    missing, stale = rules_to_add(wanted, seen), rules_to_delete(wanted, seen)
    if missing:
        store_rules(cloud, group_id, missing, clock)
    if stale:
        cloud.delete_rules([rule.id for rule in stale])
    if not found:
        return Ensured(SecurityGroup(group_id, name, is_applied=False), f"created {group_id}")
    if missing or stale:
        did = f"changed {group_id}: {len(missing)} rules added, {len(stale)} deleted"
        return Ensured(SecurityGroup(group_id, name, is_applied=False), did)
    return Ensured(found, f"kept {group_id}")


def _create(cloud: Cloud, name: str, clock: Clock) -> str:
    def look() -> str | None:
        return id_of(choose("security group", cloud.find_security_groups(name)))

    what = f"security group {name}"
    return create_once(lambda: cloud.create_security_group(name), look, what=what, clock=clock)


def store_rules(cloud: Cloud, group_id: str, missing: Sequence[RuleSpec], clock: Clock) -> None:
    """Add rules once, because the cloud accepts equal rules twice; they are not applied yet."""

    def look() -> bool | None:
        return None if rules_to_add(missing, cloud.list_rules(group_id)) else True

    def add() -> bool:
        cloud.add_rules(group_id, missing)
        return True

    create_once(add, look, what=f"rules of {group_id}", clock=clock)


def ensure_applied(
    cloud: Cloud, group: SecurityGroup, clock: Clock = time
) -> Ensured[SecurityGroup]:
    """Load the group's rules onto the resources that use it; until then they have no effect."""
    if group.is_applied:
        return Ensured(group, f"kept {group.id}")
    job = when_free(
        lambda: cloud.apply_security_group(group.id), what=f"applying {group.id}", clock=clock
    )
    wait_for_jobs(cloud, [job], clock=clock)

    def applied() -> SecurityGroup | None:
        same = [one for one in cloud.find_security_groups(group.name) if one.id == group.id]
        return next((one for one in same if one.is_applied), None)

    return Ensured(
        wait_for(applied, what=f"{group.id} applied", clock=clock), f"applied {group.id}"
    )

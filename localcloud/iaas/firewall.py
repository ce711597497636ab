"""Which connections are allowed, by the security-group rules in force."""

import ipaddress
from collections.abc import Iterable

from localcloud.iaas.balancer_records import LoadBalancer
from localcloud.iaas.records import Instance, Rule
from localcloud.iaas.state import State

INBOUND = 0


def matches_port(rule: Rule, port: int) -> bool:
    """Return whether an enabled inbound TCP rule covers a port; a rule without ports covers all."""
    if rule.is_disabled or rule.protocol != "tcp" or rule.direction != INBOUND:
        return False
    if not rule.val1:
        return True
    return int(rule.val1) <= port <= int(rule.val2 or rule.val1)


def matches_source(rule: Rule, source: str) -> bool:
    if not rule.source:
        return True
    network = ipaddress.ip_network(rule.source, strict=False)
    return ipaddress.ip_address(source) in network


def admits(rules: Iterable[Rule], source: str, port: int) -> bool:
    """Return whether the matching rule of the highest priority accepts; without one, False."""
    for rule in sorted(rules, key=lambda rule: rule.priority):
        if matches_port(rule, port) and matches_source(rule, source):
            return rule.action == "accept"
    return False


def opens(rules: Iterable[Rule], port: int) -> bool:
    """Return whether any source may connect to a port."""
    return any(rule.action == "accept" and matches_port(rule, port) for rule in rules)


class Firewall:
    """Finds the group of an address, and decides by the rules last applied to it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def rules_of(self, group_id: str) -> tuple[Rule, ...]:
        """Return the rules in force of a group; none for a deleted group."""
        group = self._state.groups.get(group_id)
        return group.applied_rules if group else ()

    def allow(self, vpc: str, source: str, address: str, port: int) -> bool:
        """Return whether a connection inside a VPC is allowed.

        A resource without a group is open to the VPC: from outside, the router's group filters. So
        are addresses unknown to the cloud, such as those of pods, and a machine to itself.
        """
        if source == address:
            return True
        group_id = self._group_of(vpc, address)
        return not group_id or admits(self.rules_of(group_id), source, port)

    def admits_from_outside(self, owner_id: str, source: str, port: int) -> bool:
        """Return whether the group of a router admits a connection to its public address.

        Groups of instances and load balancers filter when the connection reaches these.
        """
        if router := self._state.routers.get(owner_id):
            return admits(self.rules_of(router.applied.group_id), source, port)
        return True

    def _group_of(self, vpc: str, address: str) -> str:
        for vxnet in self._state.vxnets.values():
            owner_id = vxnet.addresses.get(address) if vxnet.router_id == vpc else None
            if owner_id is None:
                continue
            owner: Instance | LoadBalancer | None
            if owner := self._state.instances.get(owner_id):
                return owner.group_id
            if owner := self._state.loadbalancers.get(owner_id):
                return owner.applied.group_id
        return ""

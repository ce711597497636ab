"""Who may connect to whom: security-group rules, as far as they are in force."""

import ipaddress
from collections.abc import Iterable

from localcloud.iaas.balancer_records import LoadBalancer
from localcloud.iaas.records import Instance, Rule
from localcloud.iaas.state import State

INBOUND = 0


def matches_port(rule: Rule, port: int) -> bool:
    """Tell whether an enabled inbound TCP rule covers a port; no ports at all mean all."""
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
    """Decide about a connection: the matching rule of the highest priority wins, none drops."""
    for rule in sorted(rules, key=lambda rule: rule.priority):
        if matches_port(rule, port) and matches_source(rule, source):
            return rule.action == "accept"
    return False


def opens(rules: Iterable[Rule], port: int) -> bool:
    """Tell whether some source at all may connect to a port."""
    return any(rule.action == "accept" and matches_port(rule, port) for rule in rules)


class Firewall:
    """Looks up which group guards an address, and decides by the rules last applied to it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def rules_of(self, group_id: str) -> tuple[Rule, ...]:
        """Return the rules of a group that are in force; of a deleted group, none."""
        group = self._state.groups.get(group_id)
        return group.applied_rules if group else ()

    def allow(self, vpc: str, source: str, address: str, port: int) -> bool:
        """Decide about a connection inside a VPC.

        What has no group of its own is open to the VPC: from outside, the router's group is the
        filter. So are addresses that are not the cloud's, such as those of pods. What a machine
        says to itself never leaves it.
        """
        if source == address:
            return True
        group_id = self._guard_of(vpc, address)
        return not group_id or admits(self.rules_of(group_id), source, port)

    def admits_from_outside(self, owner_id: str, source: str, port: int) -> bool:
        """Decide about a connection to a public address: a router's group is its filter.

        Instances and load balancers are asked again when the connection reaches them, and
        decide then.
        """
        if router := self._state.routers.get(owner_id):
            return admits(self.rules_of(router.applied.group_id), source, port)
        return True

    def _guard_of(self, vpc: str, address: str) -> str:
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

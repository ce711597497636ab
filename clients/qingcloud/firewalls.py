"""Security groups and their rules."""

from collections.abc import Sequence

from clients.qingcloud.calls import Calls
from clients.qingcloud.reply import Item
from clients.qingcloud.transport import some
from domain.cloud.records import Rule, RuleSpec, SecurityGroup

INBOUND = 0
WITH_PORTS = ("tcp", "udp")


class FirewallCalls(Calls):
    def find_security_groups(self, name: str) -> list[SecurityGroup]:
        """Find the security groups of exactly this name."""
        items = self._find("DescribeSecurityGroups", "security_group", name, verbose=1)
        return [_group(item) for item in items]

    def search_security_groups(self, prefix: str) -> list[SecurityGroup]:
        """Find the security groups whose names have a prefix."""
        items = self._search("DescribeSecurityGroups", "security_group", prefix, verbose=1)
        return [_group(item) for item in items]

    def read_security_groups(self, group_ids: Sequence[str]) -> list[SecurityGroup]:
        """Read the security groups with these ids that exist."""
        items = self._read(
            "DescribeSecurityGroups", "security_group_set", "security_groups", group_ids, verbose=1
        )
        return [_group(item) for item in items]

    def create_security_group(self, name: str) -> str:
        """Create a group without rules, which admits no traffic. Returns: its id."""
        reply = self._transport.change("CreateSecurityGroup", {"security_group_name": name})
        return reply.text("security_group_id")

    def describe_security_group(self, group_id: str, description: str) -> None:
        """Set the text that the console shows beside a group; the rules stay as they are."""
        self._transport.change(
            "ModifySecurityGroupAttributes",
            {"security_group": group_id, "description": description},
        )

    def list_rules(self, group_id: str) -> list[Rule]:
        """Read the rules for incoming traffic, stored or in effect.

        Rules that are disabled, drop, or are about the way out are left out. A rule for one
        port has it as first and as last.
        """
        items = self._list(
            "DescribeSecurityGroupRules",
            "security_group_rule_set",
            security_group=group_id,
            direction=INBOUND,
        )
        return [_rule(item, group_id) for item in items if _lets_in(item)]

    def add_rules(self, group_id: str, specs: Sequence[RuleSpec]) -> None:
        """Store rules; inert until the group is applied."""
        rules = some([_rule_params(spec) for spec in specs])
        self._transport.change(
            "AddSecurityGroupRules", {"security_group": group_id, "rules": rules}
        )

    def delete_rules(self, rule_ids: Sequence[str]) -> None:
        """Delete rules; they stay in effect until the group is applied."""
        self._transport.change("DeleteSecurityGroupRules", {"security_group_rules": some(rule_ids)})

    def apply_security_group(self, group_id: str) -> str:
        """Put the stored rules into effect. Returns: the job."""
        return self._start("ApplySecurityGroup", security_group=group_id)

    def delete_security_groups(self, group_ids: Sequence[str]) -> None:
        """Delete groups that no machine, router or load balancer uses."""
        self._transport.change("DeleteSecurityGroups", {"security_groups": some(group_ids)})


def _group(item: Item) -> SecurityGroup:
    return SecurityGroup(
        id=item.text("security_group_id"),
        name=item.optional_text("security_group_name"),
        is_applied=item.flag("is_applied"),
        user_ids=tuple(user.text("resource_id") for user in item.optional_items("resources")),
        created_at=item.moment("create_time"),
        description=item.optional_text("description"),
    )


def _lets_in(item: Item) -> bool:
    return (
        item.optional_number("direction") in (None, INBOUND)
        and item.optional_text("action", "accept") == "accept"
        and not item.optional_flag("disabled")
    )


def _rule(item: Item, group_id: str) -> Rule:
    protocol = item.text("protocol")
    # For ICMP val1 and val2 are type and code.
    first = item.optional_number("val1") if protocol in WITH_PORTS else None
    last = item.optional_number("val2") if protocol in WITH_PORTS else None
    return Rule(
        id=item.text("security_group_rule_id"),
        group_id=item.optional_text("security_group_id", group_id),
        spec=RuleSpec(
            name=item.optional_text("security_group_rule_name"),
            protocol=protocol,
            first_port=first,
            last_port=first if last is None else last,
            source=item.optional_text("val3"),
            priority=item.number("priority"),
        ),
    )


def _rule_params(spec: RuleSpec) -> dict[str, str | int | None]:
    return {
        "security_group_rule_name": spec.name,
        "protocol": spec.protocol,
        "priority": spec.priority,
        "direction": INBOUND,
        "action": "accept",
        "val1": spec.first_port,
        "val2": spec.last_port,
        "val3": spec.source or None,
    }

"""Rules of security groups; a change takes effect with ApplySecurityGroup."""

import ipaddress

from localcloud.clock import stamp
from localcloud.iaas.answers import Document, page
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter
from localcloud.iaas.parameters import Parameters, is_port
from localcloud.iaas.records import Rule, SecurityGroup

PROTOCOLS = ("tcp", "udp", "icmp", "gre", "esp", "ah", "ipip")
WITH_PORTS = ("tcp", "udp")
LOWEST_PRIORITY = 100


def add_security_group_rules(cloud: Cloud, parameters: Parameters) -> Document:
    group = cloud.state.groups.read(parameters.required_text("security_group"))
    added = [_read_rule(cloud, group, item) for item in parameters.required_items("rules")]
    for rule in added:
        cloud.state.rules.add(rule)
    _touch(group)
    return {"security_group_rules": [rule.id for rule in added]}


def _read_rule(cloud: Cloud, group: SecurityGroup, item: Parameters) -> Rule:
    rule = Rule(
        id=cloud.new_id("sgr"),
        name=item.text("security_group_rule_name"),
        created_at=cloud.now(),
        group_id=group.id,
        protocol=item.choice("protocol", PROTOCOLS),
        priority=item.required_integer("priority", high=LOWEST_PRIORITY),
        action=item.choice("action", ("accept", "drop"), "accept"),
        direction=item.integer("direction", 0, high=1),
        val1=item.text("val1"),
        val2=item.text("val2"),
        source=item.text("val3"),
    )
    _check(rule)
    return rule


def _check(rule: Rule) -> None:
    ports = [value for value in (rule.val1, rule.val2) if value]
    for port in ports if rule.protocol in WITH_PORTS else ():
        if not is_port(port, low=0):  # the real cloud takes 0, too
            raise BadParameter(f"[{port}] is not a port")
    if rule.protocol in WITH_PORTS and len(ports) == 2 and int(rule.val1) > int(rule.val2):
        raise BadParameter(f"ports [{rule.val1}] to [{rule.val2}] are the wrong way round")
    try:
        if rule.source:
            ipaddress.IPv4Network(rule.source, strict=False)
    except ValueError:
        raise BadParameter(f"[{rule.source}] is not a network such as 192.168.0.0/16") from None


def _touch(group: SecurityGroup) -> None:
    group.version += 1
    group.is_applied = False


def describe_security_group_rules(cloud: Cloud, parameters: Parameters) -> Document:
    wanted, group = parameters.texts("security_group_rules"), parameters.text("security_group")
    direction = parameters.text("direction")
    found = [
        rule
        for rule in cloud.state.rules.values()
        if (not wanted or rule.id in wanted)
        and (not group or rule.group_id == group)
        and (not direction or str(rule.direction) == direction)
    ]
    return page(parameters, "security_group_rule_set", found, document)


def document(rule: Rule) -> Document:
    return {
        "security_group_rule_id": rule.id,
        "security_group_rule_name": rule.name,
        "security_group_id": rule.group_id,
        "protocol": rule.protocol,
        "priority": rule.priority,
        "action": rule.action,
        "direction": rule.direction,
        "val1": rule.val1,
        "val2": rule.val2,
        "val3": rule.source,
        "disabled": int(rule.is_disabled),
        "create_time": stamp(rule.created_at),
    }


def modify_security_group_rule_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    """Change a rule. The `action` of an added rule is called `rule_action` here."""
    old = cloud.state.rules.read(parameters.required_text("security_group_rule"))
    new = Rule(
        id=old.id,
        name=parameters.text("security_group_rule_name", old.name),
        created_at=old.created_at,
        group_id=old.group_id,
        protocol=parameters.choice("protocol", PROTOCOLS, old.protocol),
        priority=parameters.integer("priority", old.priority, high=LOWEST_PRIORITY),
        action=parameters.choice("rule_action", ("accept", "drop"), old.action),
        direction=parameters.integer("direction", old.direction, high=1),
        val1=parameters.text("val1") if parameters.given("val1") else old.val1,
        val2=parameters.text("val2") if parameters.given("val2") else old.val2,
        source=parameters.text("val3") if parameters.given("val3") else old.source,
        is_disabled=parameters.flag("disabled", old.is_disabled),
    )
    _check(new)
    cloud.state.rules[old.id] = new
    _touch(cloud.state.groups.read(old.group_id))
    return {"security_group_rule_id": old.id}


def delete_security_group_rules(cloud: Cloud, parameters: Parameters) -> Document:
    rules = cloud.state.rules.read_all(parameters.required_texts("security_group_rules"))
    for rule in rules:
        del cloud.state.rules[rule.id]
        _touch(cloud.state.groups.read(rule.group_id))
    return {"security_group_rules": [rule.id for rule in rules]}


ACTIONS = {
    "AddSecurityGroupRules": add_security_group_rules,
    "DescribeSecurityGroupRules": describe_security_group_rules,
    "ModifySecurityGroupRuleAttributes": modify_security_group_rule_attributes,
    "DeleteSecurityGroupRules": delete_security_group_rules,
}

"""Forwarding policies: which requests of an HTTP listener go to which backends.

Changes of a policy and its rules take effect with ApplyLoadBalancerPolicy; the policy of a backend,
like all its attributes, with UpdateLoadBalancers.
"""

import re
from dataclasses import replace

from localcloud.clock import stamp
from localcloud.iaas.answers import Document, page
from localcloud.iaas.balancer_records import Backend, Policy, PolicyInForce, PolicyRule
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter, JobFailure, PermissionDenied
from localcloud.iaas.lifecycle import start_job
from localcloud.iaas.parameters import Parameters

OPERATORS = ("and", "or")
RULE_TYPES = ("domain", "url")


def create_loadbalancer_policy(cloud: Cloud, parameters: Parameters) -> Document:
    """Create a policy without rules, which no request matches."""
    operator = parameters.choice("operator", OPERATORS, "or")
    policy = Policy(
        id=cloud.new_id("lbp"),
        name=parameters.text("loadbalancer_policy_name"),
        created_at=cloud.now(),
        operator=operator,
        applied=PolicyInForce(operator),
    )
    cloud.state.policies.add(policy)
    return {"loadbalancer_policy_id": policy.id}


def describe_loadbalancer_policies(cloud: Cloud, parameters: Parameters) -> Document:
    wanted = parameters.texts("loadbalancer_policies")
    found = [one for one in cloud.state.policies.values() if not wanted or one.id in wanted]
    return page(parameters, "loadbalancer_policy_set", found, lambda one: _policy(cloud, one))


def _policy(cloud: Cloud, policy: Policy) -> Document:
    return {
        "loadbalancer_policy_id": policy.id,
        "loadbalancer_policy_name": policy.name,
        "operator": policy.operator,
        "is_applied": int(policy.is_applied),
        "create_time": stamp(policy.created_at),
        "loadbalancer_ids": list(
            dict.fromkeys(backend.loadbalancer_id for backend in _users_of(cloud, policy))
        ),
    }


def _users_of(cloud: Cloud, policy: Policy) -> list[Backend]:
    """Return the backends that use a policy now, or will after the next update."""
    in_force = [
        backend
        for balancer in cloud.state.loadbalancers.alive()
        for active in balancer.applied.listeners
        for backend in active.backends
    ]
    backends = [*cloud.state.backends.values(), *in_force]
    return [backend for backend in backends if backend.policy_id == policy.id]


def modify_loadbalancer_policy_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    policy = cloud.state.policies.read(parameters.required_text("loadbalancer_policy"))
    operator = parameters.choice("operator", OPERATORS, policy.operator)
    policy.name = parameters.text("loadbalancer_policy_name", policy.name)
    if operator != policy.operator:
        policy.operator = operator
        _touch(policy)
    return {"loadbalancer_policy_id": policy.id}


def _touch(policy: Policy) -> None:
    policy.version += 1
    policy.is_applied = False


def apply_loadbalancer_policy(cloud: Cloud, parameters: Parameters) -> Document:
    """Apply the current rules on every balancer that uses the policy."""
    policy = cloud.state.policies.read(parameters.required_text("loadbalancer_policy"))
    version = policy.version
    wanted = PolicyInForce(
        policy.operator, tuple(replace(rule) for rule in _rules_of(cloud, policy))
    )

    async def put_in_force() -> None:
        if policy.id not in cloud.state.policies:
            raise JobFailure(f"loadbalancer policy [{policy.id}] has been deleted meanwhile")
        policy.applied = wanted
        policy.is_applied = policy.version == version

    seconds = cloud.profile.apply_rules
    job_id = start_job(cloud, "ApplyLoadBalancerPolicy", [policy.id], seconds, put_in_force)
    return {"job_id": job_id}


def _rules_of(cloud: Cloud, policy: Policy) -> list[PolicyRule]:
    return [rule for rule in cloud.state.policy_rules.values() if rule.policy_id == policy.id]


def delete_loadbalancer_policies(cloud: Cloud, parameters: Parameters) -> Document:
    """Delete unused policies with their rules; all or none."""
    policies = cloud.state.policies.read_all(parameters.required_texts("loadbalancer_policies"))
    for policy in policies:
        if users := _users_of(cloud, policy):
            raise PermissionDenied(
                f"loadbalancer policy [{policy.id}] is used by backend [{users[0].id}], "
                "can not be deleted"
            )
    for policy in policies:
        for rule in _rules_of(cloud, policy):
            del cloud.state.policy_rules[rule.id]
        del cloud.state.policies[policy.id]
    return {"loadbalancer_policies": [policy.id for policy in policies]}


def add_loadbalancer_policy_rules(cloud: Cloud, parameters: Parameters) -> Document:
    policy = cloud.state.policies.read(parameters.required_text("loadbalancer_policy"))
    added = [_read_rule(cloud, policy, item) for item in parameters.required_items("rules")]
    for rule in added:
        cloud.state.policy_rules.add(rule)
    _touch(policy)
    return {"loadbalancer_policy_rules": [rule.id for rule in added]}


def _read_rule(cloud: Cloud, policy: Policy, item: Parameters) -> PolicyRule:
    rule = PolicyRule(
        id=cloud.new_id("lbpr"),
        name=item.text("loadbalancer_policy_rule_name"),
        created_at=cloud.now(),
        policy_id=policy.id,
        type=item.choice("rule_type", RULE_TYPES),
        val=item.required_text("val"),
    )
    _check(rule)
    return rule


def _check(rule: PolicyRule) -> None:
    try:
        re.compile(rule.val)
    except re.error as error:
        raise BadParameter(f"[{rule.val}] is not a regular expression: {error}") from None


def describe_loadbalancer_policy_rules(cloud: Cloud, parameters: Parameters) -> Document:
    wanted = parameters.texts("loadbalancer_policy_rules")
    policy = parameters.text("loadbalancer_policy")
    found = [
        rule
        for rule in cloud.state.policy_rules.values()
        if (not wanted or rule.id in wanted) and (not policy or rule.policy_id == policy)
    ]
    return page(parameters, "loadbalancer_policy_rule_set", found, _rule)


def _rule(rule: PolicyRule) -> Document:
    return {
        "loadbalancer_policy_rule_id": rule.id,
        "loadbalancer_policy_rule_name": rule.name or None,
        "loadbalancer_policy_id": rule.policy_id,
        "rule_type": rule.type,
        "val": rule.val,
    }


def modify_loadbalancer_policy_rule_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    """Change name or value; the type of a rule is fixed."""
    old = cloud.state.policy_rules.read(parameters.required_text("loadbalancer_policy_rule"))
    new = replace(
        old,
        name=parameters.text("loadbalancer_policy_rule_name", old.name),
        val=parameters.text("val", old.val),
    )
    _check(new)
    cloud.state.policy_rules[old.id] = new
    if new.val != old.val:
        _touch(cloud.state.policies.read(old.policy_id))
    return {"loadbalancer_policy_rule_id": old.id}


def delete_loadbalancer_policy_rules(cloud: Cloud, parameters: Parameters) -> Document:
    rules = cloud.state.policy_rules.read_all(
        parameters.required_texts("loadbalancer_policy_rules")
    )
    for rule in rules:
        del cloud.state.policy_rules[rule.id]
        _touch(cloud.state.policies.read(rule.policy_id))
    return {"loadbalancer_policy_rules": [rule.id for rule in rules]}


ACTIONS = {
    "CreateLoadBalancerPolicy": create_loadbalancer_policy,
    "DescribeLoadBalancerPolicies": describe_loadbalancer_policies,
    "ModifyLoadBalancerPolicyAttributes": modify_loadbalancer_policy_attributes,
    "ApplyLoadBalancerPolicy": apply_loadbalancer_policy,
    "DeleteLoadBalancerPolicies": delete_loadbalancer_policies,
    "AddLoadBalancerPolicyRules": add_loadbalancer_policy_rules,
    "DescribeLoadBalancerPolicyRules": describe_loadbalancer_policy_rules,
    "ModifyLoadBalancerPolicyRuleAttributes": modify_loadbalancer_policy_rule_attributes,
    "DeleteLoadBalancerPolicyRules": delete_loadbalancer_policy_rules,
}

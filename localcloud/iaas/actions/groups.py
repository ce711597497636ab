"""Security groups, and applying their rules."""

from dataclasses import replace

from localcloud.iaas import quotas
from localcloud.iaas.answers import Document, common, describe, rename
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import JobFailure, PermissionDenied
from localcloud.iaas.lifecycle import require_settled, start_job
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.publication import refresh_instance, refresh_users_of
from localcloud.iaas.records import Resource, SecurityGroup


def create_security_group(cloud: Cloud, parameters: Parameters) -> Document:
    """Create a group without rules, which admits nothing inbound."""
    name = parameters.required_text("security_group_name")
    quotas.require(cloud, security_group=1)
    group = SecurityGroup(id=cloud.new_id("sg"), name=name, created_at=cloud.now())
    cloud.state.groups.add(group)
    return {"security_group_id": group.id}


def describe_security_groups(cloud: Cloud, parameters: Parameters) -> Document:
    verbose = parameters.flag("verbose")
    return describe(
        cloud,
        parameters,
        cloud.state.groups.values(),
        lambda group: document(cloud, group, verbose),
        "security_group",
    )


def document(cloud: Cloud, group: SecurityGroup, verbose: bool) -> Document:
    answer = common(cloud, group, "security_group") | {
        "is_applied": int(group.is_applied),
        "is_default": int(group.is_default),
    }
    if verbose:
        answer["resources"] = [
            {"resource_id": user.id, "resource_name": user.name, "resource_type": user.kind}
            for user in users_of(cloud, group)
        ]
    return answer


def users_of(cloud: Cloud, group: SecurityGroup) -> list[Resource]:
    """Return the resources that a group filters for now, or will once it is applied."""
    state = cloud.state
    balancers = state.loadbalancers.alive()
    return [
        *(i for i in state.instances.alive() if i.group_id == group.id),
        *(r for r in state.routers.alive() if group.id in (r.group_id, r.applied.group_id)),
        *(b for b in balancers if group.id in (b.group_id, b.applied.group_id)),
    ]


def modify_security_group_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    group = cloud.state.groups.read(parameters.required_text("security_group"))
    rename(parameters, group, "security_group")
    return {"security_group_id": group.id}


def apply_security_group(cloud: Cloud, parameters: Parameters) -> Document:
    """Apply the current rules to everything that uses the group, and to new instances."""
    group = cloud.state.groups.read(parameters.required_text("security_group"))
    instances = cloud.state.instances.read_all(parameters.texts("instances"))
    for instance in instances:
        require_settled(instance)
    version = group.version
    rules = tuple(replace(rule) for rule in cloud.state.rules.values() if rule.group_id == group.id)

    async def put_in_force() -> None:
        if group.id not in cloud.state.groups:
            raise JobFailure(f"security group [{group.id}] has been deleted meanwhile")
        group.applied_rules = rules
        group.is_applied = group.version == version
        for instance in instances:
            instance.group_id = group.id
        for router in cloud.state.routers.alive():
            if router.group_id == group.id:
                router.applied = replace(router.applied, group_id=group.id)
        try:
            await refresh_users_of(cloud, group.id)
        except JobFailure:
            group.is_applied = False
            raise

    seconds = cloud.profile.apply_rules
    touched = [group.id, *(instance.id for instance in instances)]
    return {"job_id": start_job(cloud, "ApplySecurityGroup", touched, seconds, put_in_force)}


def remove_security_group(cloud: Cloud, parameters: Parameters) -> Document:
    """Remove instances from their groups; without a group an instance is open to its VPC."""
    instances = cloud.state.instances.read_all(parameters.required_texts("instances"))
    for instance in instances:
        require_settled(instance)

    async def remove() -> None:
        for instance in instances:
            instance.group_id = ""
            await refresh_instance(cloud, instance)

    touched = [instance.id for instance in instances]
    seconds = cloud.profile.apply_rules
    return {"job_id": start_job(cloud, "RemoveSecurityGroup", touched, seconds, remove)}


def delete_security_groups(cloud: Cloud, parameters: Parameters) -> Document:
    """Delete unused groups with their rules; all or none."""
    groups = cloud.state.groups.read_all(parameters.required_texts("security_groups"))
    for group in groups:
        if group.is_default:
            raise PermissionDenied(
                f"security group [{group.id}] is the default one, can not be deleted"
            )
        if users := users_of(cloud, group):
            raise PermissionDenied(
                f"security group [{group.id}] is used by {users[0].kind} [{users[0].id}], "
                "can not be deleted"
            )
    for group in groups:
        for rule in [r for r in cloud.state.rules.values() if r.group_id == group.id]:
            del cloud.state.rules[rule.id]
        cloud.state.drop_tags(group)
        del cloud.state.groups[group.id]
    return {"security_groups": [group.id for group in groups]}


ACTIONS = {
    "CreateSecurityGroup": create_security_group,
    "DescribeSecurityGroups": describe_security_groups,
    "ModifySecurityGroupAttributes": modify_security_group_attributes,
    "ApplySecurityGroup": apply_security_group,
    "RemoveSecurityGroup": remove_security_group,
    "DeleteSecurityGroups": delete_security_groups,
}

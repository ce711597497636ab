"""The deployments of a cluster: named, found and deleted.

The deployments of a cluster carry its name (`autoscale/demo`), so that several clusters have their
own; those of a second account's cluster of that name add the account (`autoscale/demo@1a2b3c4d`).
Tags say which cluster and account they are of. Earlier versions had one set for all, named as the
flows are (`autoscale/autoscale`): the cluster was then only in the parameters.
"""

from collections.abc import Iterable

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    DeploymentFilterTags,
)
from prefect.client.schemas.responses import DeploymentResponse

from tasks.accounts import ACCOUNT_TAG, CLUSTER_TAG

FLOWS = {
    f"flows.{name}.{name}": name.replace("_", "-")
    for name in (
        "autoscale",
        "backup",
        "check",
        "drift",
        "maintain",
        "monitor",
        "provision",
        "repair",
        "restore",
        "rollout",
        "run_script",
        "scale",
        "sweep",
        "teardown",
        "upgrade",
    )
}
"""The flows that are deployed, by their entrypoint."""


def find_deployed(client: SyncPrefectClient, cluster: str) -> list[DeploymentResponse]:
    """Find the deployments of the clusters of a name, by this version or an earlier one."""
    names = DeploymentFilterName(any_=[cluster, *FLOWS.values()])
    tags = DeploymentFilterTags(all_=[f"{CLUSTER_TAG}{cluster}"])
    named = client.read_deployments(deployment_filter=DeploymentFilter(name=names))
    tagged = client.read_deployments(deployment_filter=DeploymentFilter(tags=tags))
    found = {one.id: one for one in (*named, *tagged)}
    ours = [one for one in found.values() if one.entrypoint in FLOWS]
    ours = [one for one in ours if _cluster_of(one) == cluster]
    return [one for one in ours if one.name.partition("@")[0] == cluster or is_of_old(one)]


def account_of(deployment: DeploymentResponse) -> str:
    """The account that a deployment was made for; empty for one of an earlier version."""
    tags = (tag for tag in deployment.tags if tag.startswith(ACCOUNT_TAG))
    return next(tags, "").removeprefix(ACCOUNT_TAG)


def choose_name(found: Iterable[DeploymentResponse], cluster: str, account: str) -> str:
    """Choose the name of a cluster's deployments: that which they have, else a free one."""
    current = {account_of(one): one.name for one in found if not is_of_old(one)}
    if account in current:
        return current[account]
    others = {name for other, name in current.items() if other}
    return f"{cluster}@{account}" if cluster in others else cluster


def is_of_old(deployment: DeploymentResponse) -> bool:
    """Whether an earlier version has deployed it, under its flow's name."""
    return deployment.name == flow_of(deployment) != _cluster_of(deployment)


def delete_deployments(client: SyncPrefectClient, deployments: Iterable[DeploymentResponse]) -> str:
    """Delete deployments and their scheduled runs; runs under way continue to their end.

    Returns:
        The names, separated by commas.
    """
    deleted = []
    for one in deployments:
        client.delete_deployment(one.id)
        deleted.append(_full_name(one))
    return ", ".join(sorted(deleted))


def keep_paused(
    client: SyncPrefectClient, old: Iterable[DeploymentResponse], new: Iterable[DeploymentResponse]
) -> str:
    """Pause each new deployment whose predecessor was paused, such as an autoscaler.

    Returns:
        The names of the paused ones, separated by commas.
    """
    paused = {flow_of(one) for one in old if _is_paused(one)}
    successors = [one for one in new if flow_of(one) in paused]
    for one in successors:
        for schedule in one.schedules:
            client.update_deployment_schedule(one.id, schedule.id, active=False)
    return ", ".join(sorted(map(_full_name, successors)))


def _is_paused(deployment: DeploymentResponse) -> bool:
    schedules = deployment.schedules
    return bool(schedules) and (deployment.paused or not any(one.active for one in schedules))


def _cluster_of(deployment: DeploymentResponse) -> str:
    for tag in deployment.tags:
        if tag.startswith(CLUSTER_TAG):
            return tag.removeprefix(CLUSTER_TAG)
    given = deployment.parameters
    # `sweep` is about no cluster; it has its deployment's name alone.
    return str(given.get("name") or given.get("spec", {}).get("name") or deployment.name)


def flow_of(deployment: DeploymentResponse) -> str:
    """The name of the flow that a deployment runs."""
    return FLOWS.get(deployment.entrypoint or "", "")


def key_of(deployment: DeploymentResponse) -> str:
    """The cluster's name and its account, as `Cluster.key`; of old ones the name alone."""
    return "-".join(filter(None, (_cluster_of(deployment), account_of(deployment))))


def _full_name(deployment: DeploymentResponse) -> str:
    return f"{flow_of(deployment)}/{deployment.name}"

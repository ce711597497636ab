"""What is deployed for a cluster: found by name, and taken away.

The deployments of a cluster carry its name (`autoscale/demo`), so that those of several stand side
by side. Earlier versions had one set for all, named as the flows are (`autoscale/autoscale`): the
cluster was then only in the parameters.
"""

from collections.abc import Iterable

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.responses import DeploymentResponse

FLOWS = {
    f"flows.{name}.{name}": name
    for name in ("autoscale", "monitor", "provision", "scale", "teardown")
}
"""The flows that are deployed, by their entrypoint."""


def find_deployed(client: SyncPrefectClient, cluster: str) -> list[DeploymentResponse]:
    """Everything that this version or an earlier one has deployed for a cluster."""
    names = DeploymentFilterName(any_=[cluster, *FLOWS.values()])
    found = client.read_deployments(deployment_filter=DeploymentFilter(name=names))
    ours = [one for one in found if one.entrypoint in FLOWS and _cluster_of(one) == cluster]
    return [one for one in ours if one.name == cluster or is_of_old(one)]


def is_of_old(deployment: DeploymentResponse) -> bool:
    """Whether an earlier version has deployed it, under its flow's name."""
    return deployment.name == _flow_of(deployment) != _cluster_of(deployment)


def take_away(client: SyncPrefectClient, deployments: Iterable[DeploymentResponse]) -> str:
    """Delete deployments, and the runs that wait for their time; answers their names.

    Runs under way come to their end.
    """
    gone = []
    for one in deployments:
        client.delete_deployment(one.id)
        gone.append(_full_name(one))
    return ", ".join(sorted(gone))


def keep_paused(
    client: SyncPrefectClient, old: Iterable[DeploymentResponse], new: Iterable[DeploymentResponse]
) -> str:
    """Pause what follows something that was paused; answers the names.

    Whoever has paused an autoscaler shall not find machines that nobody has asked for.
    """
    paused = {_flow_of(one) for one in old if _is_paused(one)}
    followers = [one for one in new if _flow_of(one) in paused]
    for one in followers:
        for schedule in one.schedules:
            client.update_deployment_schedule(one.id, schedule.id, active=False)
    return ", ".join(sorted(map(_full_name, followers)))


def _is_paused(deployment: DeploymentResponse) -> bool:
    schedules = deployment.schedules
    return bool(schedules) and (deployment.paused or not any(one.active for one in schedules))


def _cluster_of(deployment: DeploymentResponse) -> str:
    given = deployment.parameters
    return str(given.get("name") or given.get("spec", {}).get("name", ""))


def _flow_of(deployment: DeploymentResponse) -> str:
    return FLOWS.get(deployment.entrypoint or "", "")


def _full_name(deployment: DeploymentResponse) -> str:
    return f"{_flow_of(deployment)}/{deployment.name}"

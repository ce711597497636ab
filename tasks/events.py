"""Events on the Prefect server, one for each change of a cluster, with the cluster as resource.

They are for automations: `k8s-qingcloud.machine.added` can start a run or send a message. Prefect
sends them from a thread of its own, over the connection that reports the states of steps. So they
delay nothing, and a server that does not answer loses them and stops no run.
"""

from collections.abc import Mapping
from typing import Any

from prefect.context import FlowRunContext
from prefect.events import emit_event

from domain.cloud.announcing import WorldChange

PREFIX = "k8s-qingcloud"

EVALUATED = "autoscaler.evaluated"

MOST_RELATED = 50
"""Resources that an event names one by one; Prefect takes at most 100, its own included."""


def cluster_resource(key: str) -> str:
    """The id of a cluster as the resource of events; automations match it."""
    return f"{PREFIX}.cluster.{key}"


def announce_change(key: str, cluster: str, change: WorldChange) -> None:
    """Send the event of a change in the cloud."""
    related = [
        {
            "prefect.resource.id": f"qingcloud.{one}",
            "prefect.resource.role": "changed",
            "prefect.resource.name": one,
        }
        for one in change.ids[:MOST_RELATED]
    ]
    payload = {"ids": list(change.ids), "name": change.name, "count": len(change.ids)}
    announce(key, cluster, f"{change.kind}.{change.verb}", payload, related)


def announce(
    key: str,
    cluster: str,
    event: str,
    payload: Mapping[str, Any],
    related: list[dict[str, str]] | None = None,
) -> None:
    """Send an event about a cluster; outside of a flow run, which has a server, send none.

    Args:
        key: the cluster's name and a digest of its account, as `Cluster.key`.
        event: such as `alarm.raised`.
    """
    if FlowRunContext.get() is None:
        return
    resource = {"prefect.resource.id": cluster_resource(key), "prefect.resource.name": cluster}
    emit_event(
        f"{PREFIX}.{event}",
        resource | {"prefect.resource.role": "cluster"},
        related=related,
        payload=dict(payload),
    )

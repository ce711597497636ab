"""The endpoints of a cluster, kept between runs, so that an idle minute reads little of the cloud.

Endpoints change seldom: with a new master, address or port. So a Prefect variable keeps them
(addresses and ports, no secret), and they are read again when the cluster does not answer there.
"""

from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from blocks.server_calls import delete_variable, read_variable, write_variable
from domain.cloud.endpoints import Endpoints
from domain.cloud.inventory import Machines
from domain.kernel.errors import NotFound
from domain.spec.cluster import ClusterSpec
from tasks.cluster import Cluster
from tasks.control_plane import find_spec

AGAIN = timedelta(minutes=5)
"""How often the endpoints of a silent cluster are read again, which costs a dozen calls."""


def keep_endpoints(cluster: Cluster) -> Cluster:
    """Read the endpoints and keep them for the next runs. Returns: the handle with them."""
    endpoints = cluster.endpoints()
    with suppress(NotFound):  # not finished yet; what exists is kept all the same
        endpoints = cluster.ssh_endpoints()
    kept = {**asdict(endpoints), "read_at": datetime.now(UTC).isoformat()}
    write_variable(_variable(cluster), kept)
    return cluster.at(endpoints)


def delete_endpoints(cluster: Cluster) -> None:
    """Delete the kept endpoints of a cluster that does not exist any more."""
    delete_variable(_variable(cluster))


def read_spec_at_kept_endpoints(
    cluster: Cluster, machines: Machines
) -> tuple[Cluster, ClusterSpec | None]:
    """Read the description of a cluster through the endpoints that were kept.

    Args:
        machines: the present machines; without the jump host the endpoints are out of date, and
            read again at once.

    Returns:
        The handle with its endpoints, and the description or None where nothing answers.

    Raises:
        InvalidSpec: the stored description is not valid.
    """
    found = cast(dict[str, Any] | None, read_variable(_variable(cluster)))
    if found is None:
        cluster = keep_endpoints(cluster)
        return cluster, find_spec(cluster)
    kept = dict(found)
    read_at = datetime.fromisoformat(kept.pop("read_at"))
    known = cluster.at(Endpoints(**kept))
    jump = known.endpoints().jump_host
    if not jump or any(machine.id == jump for machine in machines.instances):
        spec = find_spec(known)
        # Another machine may have read them, whose clock is ahead of ours.
        if spec is not None or abs(datetime.now(UTC) - read_at) < AGAIN:
            return known, spec
    cluster.look_again()
    cluster = keep_endpoints(cluster)
    return cluster, find_spec(cluster)


def _variable(cluster: Cluster) -> str:
    return f"cluster-endpoints-{cluster.key}"

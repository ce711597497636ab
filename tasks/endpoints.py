"""Where a cluster is reached, kept between runs: an idle minute must not read the whole cloud.

The endpoints change seldom: with a new master, another address, another port. So a Prefect variable
keeps them (addresses and ports, no secret), and they are looked at again when the cluster does not
answer there.
"""

from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from prefect.variables import Variable

from domain.cloud.endpoints import Endpoints
from domain.cloud.inventory import Machines
from domain.kernel.errors import NotFound
from domain.spec.cluster import ClusterSpec
from tasks.cluster import Cluster
from tasks.control_plane import find_spec

AGAIN = timedelta(minutes=5)
"""A cluster that does not answer is not looked for more often: each time costs a dozen calls."""


def keep_endpoints(cluster: Cluster) -> Cluster:
    """Read where the cluster is reached, keep it for the next runs, and return the handle there."""
    endpoints = cluster.endpoints()
    with suppress(NotFound):  # not finished yet; what is known is kept all the same
        endpoints = cluster.way_in()
    kept = {**asdict(endpoints), "read_at": datetime.now(UTC).isoformat()}
    Variable.set(_variable(cluster), kept, overwrite=True)
    return cluster.at(endpoints)


def forget_endpoints(cluster: Cluster) -> None:
    """Keep nothing of a cluster that is gone."""
    Variable.unset(_variable(cluster))


def spec_by_memory(cluster: Cluster, machines: Machines) -> tuple[Cluster, ClusterSpec | None]:
    """Read the description of a cluster by the endpoints that were kept.

    Args:
        machines: as they were read now; a jump host that is gone makes the endpoints old.

    Returns:
        The handle there, and the description; None where the cluster does not answer.

    Raises:
        InvalidSpec: the stored description is not understood.
    """
    found = cast(dict[str, Any] | None, Variable.get(_variable(cluster)))
    if found is None:
        cluster = keep_endpoints(cluster)
        return cluster, find_spec(cluster)
    kept = dict(found)
    read_at = datetime.fromisoformat(kept.pop("read_at"))
    known = cluster.at(Endpoints(**kept))
    is_old = known.endpoints().jump_host not in {machine.id for machine in machines.instances}
    spec = None if is_old else find_spec(known)
    if spec is not None or datetime.now(UTC) - read_at < AGAIN:
        return known, spec
    cluster.look_again()
    cluster = keep_endpoints(cluster)
    return cluster, find_spec(cluster)


def _variable(cluster: Cluster) -> str:
    return f"cluster-endpoints-{cluster.key}"

"""Short visits to many machines at once: scripts that measure, through one jump host."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from domain.cloud.records import Instance
from domain.kernel.errors import ClusterError
from domain.kernel.names import node_name
from domain.observe.metrics.records import Collected
from domain.observe.metrics.scripts import Place, Script, measure, no_sample
from tasks.cluster import Cluster
from tasks.shells import inner_target, jump_target

CONNECTING = 10.0
"""Seconds that a login may take: a machine that does not answer must not hold up the others."""

MOST_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Visit:
    """What is to be measured on one machine."""

    group: str
    machine: Instance
    scripts: tuple[Script, ...]


def measure_machines(cluster: Cluster, visits: Sequence[Visit], moment: datetime) -> Collected:
    """Run scripts on many machines; what cannot be reached leaves gaps, and nothing else.

    Raises:
        CredentialsMissing, NotFound: there is no way into the cluster.
    """
    credentials, way_in = cluster.credentials(), cluster.way_in()
    connect = partial(cluster.connect_ssh, deadline=CONNECTING)
    try:
        master = connect(jump_target(credentials, way_in))
    except ClusterError as error:
        reason = f"no way in through master {way_in.jump_host}: {error}"
        return nothing_measured(cluster.name, visits, moment, reason)

    def go(visit: Visit) -> Collected:
        place = _place(cluster.name, visit)
        if visit.machine.id == way_in.jump_host:
            return measure(master, place, visit.scripts, moment)
        target = inner_target(cluster, credentials, way_in, visit.machine)
        try:
            with connect(target, jump=master) as shell:
                return measure(shell, place, visit.scripts, moment)
        except ClusterError as error:
            reason = f"cannot be reached: {error}"
            return nothing_measured(cluster.name, [visit], moment, reason)

    with master, ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="measure") as pool:
        return _sum(list(pool.map(go, visits)))


def nothing_measured(
    cluster: str, visits: Sequence[Visit], moment: datetime, reason: str
) -> Collected:
    """The gaps that all scripts of these visits leave."""
    return Collected(
        gaps=tuple(
            no_sample(_place(cluster, visit), script, moment, reason)
            for visit in visits
            for script in visit.scripts
        )
    )


def _place(cluster: str, visit: Visit) -> Place:
    return Place(cluster, visit.group, node_name(visit.group, visit.machine.id))


def _sum(parts: Sequence[Collected]) -> Collected:
    return Collected(
        tuple(sample for part in parts for sample in part.samples),
        tuple(gap for part in parts for gap in part.gaps),
    )

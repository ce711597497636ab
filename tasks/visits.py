"""Measuring scripts on many machines at once, through one jump host."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from domain.cloud.records import Instance
from domain.kernel.errors import ClusterError, TemporaryError
from domain.kernel.names import node_name
from domain.observe.metrics.records import Collected
from domain.observe.metrics.scripts import Place, Script, measure, no_sample
from tasks.cluster import Cluster
from tasks.shells import open_shells

MOST_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Visit:
    """One machine, and the scripts to run on it."""

    group: str
    machine: Instance
    scripts: tuple[Script, ...]


def measure_machines(cluster: Cluster, visits: Sequence[Visit], moment: datetime) -> Collected:
    """Run scripts on many machines; a machine that cannot be reached only leaves gaps.

    Raises:
        CredentialsMissing, NotFound: the cluster's machines cannot be reached.
    """
    with ExitStack() as stack:
        try:
            open_shell = stack.enter_context(open_shells(cluster))
        except TemporaryError as error:
            return nothing_measured(cluster.name, visits, moment, str(error))

        def measure_one(visit: Visit) -> Collected:
            try:
                with open_shell(visit.machine) as shell:
                    return measure(shell, _place(cluster.name, visit), visit.scripts, moment)
            except ClusterError as error:
                reason = f"cannot be reached: {error}"
                return nothing_measured(cluster.name, [visit], moment, reason)

        with ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="measure") as pool:
            return sum(pool.map(measure_one, visits), Collected())


def nothing_measured(
    cluster: str, visits: Sequence[Visit], moment: datetime, reason: str
) -> Collected:
    """The gaps of all scripts of these visits."""
    return Collected(
        gaps=tuple(
            no_sample(_place(cluster, visit), script, moment, reason)
            for visit in visits
            for script in visit.scripts
        )
    )


def _place(cluster: str, visit: Visit) -> Place:
    return Place(cluster, visit.group, node_name(visit.group, visit.machine.id))

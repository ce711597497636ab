"""Short visits to many machines at once: scripts that measure, through one jump host."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from clients.ssh import SshMachine, SshTarget
from domain.cloud.records import Instance
from domain.kernel.errors import ClusterError
from domain.kernel.names import MASTERS, node_name
from domain.observe.metrics.records import Collected
from domain.observe.metrics.scripts import Place, Script, measure, no_sample
from domain.secrets.credentials import Credentials
from tasks.shells import Entrance

CONNECTING = 10.0
"""Seconds that a login may take: a machine that does not answer must not hold up the others."""

MOST_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Visit:
    """What is to be measured on one machine."""

    group: str
    machine: Instance
    scripts: tuple[Script, ...]


def measure_machines(
    credentials: Credentials, entrance: Entrance, visits: Sequence[Visit], moment: datetime
) -> Collected:
    """Run scripts on many machines; what cannot be reached leaves gaps, and nothing else."""
    if not visits:
        return Collected()
    try:
        master = _connect(credentials, entrance, MASTERS, entrance.master, None)
    except ClusterError as error:
        reason = f"no way in through {node_name(MASTERS, entrance.master.id)}: {error}"
        return nothing_measured(entrance.cluster, visits, moment, reason)

    def go(visit: Visit) -> Collected:
        place = _place(entrance.cluster, visit)
        if visit.machine.id == entrance.master.id:
            return measure(master, place, visit.scripts, moment)
        try:
            with _connect(credentials, entrance, visit.group, visit.machine, master) as shell:
                return measure(shell, place, visit.scripts, moment)
        except ClusterError as error:
            reason = f"cannot be reached: {error}"
            return nothing_measured(entrance.cluster, [visit], moment, reason)

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


def _connect(
    credentials: Credentials,
    entrance: Entrance,
    group: str,
    machine: Instance,
    jump: SshMachine | None,
) -> SshMachine:
    target = SshTarget(
        address=machine.private_ip if jump else entrance.address,
        port=22 if jump else entrance.port,
        user=entrance.user(group),
        private_key=credentials.ssh.private_key,
        host_keys=credentials.accepted(machine.id),
    )
    return SshMachine.connect(target, jump=jump, deadline=CONNECTING)


def _place(cluster: str, visit: Visit) -> Place:
    return Place(cluster, visit.group, node_name(visit.group, visit.machine.id))


def _sum(parts: Sequence[Collected]) -> Collected:
    return Collected(
        tuple(sample for part in parts for sample in part.samples),
        tuple(gap for part in parts for gap in part.gaps),
    )

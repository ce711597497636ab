"""Steps about the certificates of the masters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from clients.ssh import SshMachine
from domain.cloud.inventory import Machines
from domain.cloud.plan import Action, Plan, PlanItem
from domain.cloud.records import Instance
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError
from domain.kernel.names import MASTERS, Names
from domain.kernel.waiting import repeat
from domain.node import install
from domain.node.certificates import (
    Certificate,
    MasterCertificates,
    check_names,
    choose_renewed,
    read_certificates,
)
from tasks.cluster import Cluster
from tasks.installers import installer_files
from tasks.shells import open_shell, visit_each
from tasks.steps import report_progress, run_logger, step

SCRIPT = "renew_certificates.sh"


@dataclass(frozen=True)
class Renewal:
    """The certificates of one master that are renewed; none where only a restart is missing."""

    master: Instance
    held: MasterCertificates
    certificates: tuple[Certificate, ...]


@dataclass(frozen=True)
class Renewals:
    """What is renewed on which masters, and what all of them hold."""

    cluster: str
    known: tuple[Certificate, ...]
    masters: tuple[Renewal, ...]

    def plan(self) -> Plan:
        name = Names(self.cluster).group(MASTERS)
        return Plan(
            self.cluster,
            tuple(
                PlanItem("machine", name, Action.CHANGE, _reason(one), one.master.id)
                for one in self.masters
            ),
        )


def _reason(renewal: Renewal) -> str:
    if not renewal.certificates:
        return "renewed certificates are brought into use; its control plane restarts"
    first = min(renewal.certificates, key=lambda one: one.ends)
    return (
        f"{len(renewal.certificates)} certificates are renewed, of which the first ends on "
        f"{first.ends:%Y-%m-%d}; its control plane restarts"
    )


def find_renewals(cluster: Cluster, machines: Machines, asked: Sequence[str] = ()) -> Renewals:
    """Find the certificates that end soon, or that were asked for; logs in to each master once.

    Args:
        asked: names of certificates to renew now; `all` for each of them.

    Raises:
        InvalidSpec: there is no such certificate, or it is an authority's.
        ClusterError: a master cannot be read.
    """
    held = read_all(cluster, machines.masters)
    known = tuple(one for each in held.values() for one in each.certificates)
    check_names(asked, known)
    now = datetime.now(UTC)
    renewals = [
        Renewal(master, each, choose_renewed(each, now, asked)) for master, each in held.items()
    ]
    due = (one for one in renewals if one.certificates or one.held.is_unfinished)
    return Renewals(cluster.name, known, tuple(due))


def read_all(cluster: Cluster, masters: Sequence[Instance]) -> dict[Instance, MasterCertificates]:
    """Read the certificates of each master. Raises `ClusterError` for one that cannot be read."""

    def read(master: Instance) -> MasterCertificates:
        with open_shell(cluster, master) as shell:
            return read_certificates(shell, cluster.node_name(master))

    return {one: repeat(partial(read, one), clock=cluster.clock) for one in masters}


def read_readable(cluster: Cluster, masters: Sequence[Instance]) -> tuple[Certificate, ...]:
    """Read the certificates of the masters that answer; why one does not is logged."""
    if not masters:
        return ()

    def read(cluster: Cluster, master: Instance, shell: SshMachine) -> tuple[Certificate, ...]:
        return read_certificates(shell, cluster.node_name(master)).certificates

    def unread(cluster: Cluster, master: Instance, why: str) -> tuple[Certificate, ...]:
        run_logger().warning("the certificates of %s cannot be read: %s", master.id, why)
        return ()

    try:
        found = visit_each(cluster, masters, read, unread)
    except ClusterError as error:
        run_logger().warning("the certificates cannot be read: %s", error)
        return ()
    return tuple(one for each in found for one in each)


@step("certificates of {renewal.master.id}")
def renew_certificates(cluster: Cluster, renewal: Renewal) -> Ensured[None]:
    """Renew certificates of a master, and restart its control plane part by part."""
    names = [one.name for one in renewal.certificates]
    settings = {"NODE_NAME": renewal.held.node, "RENEW": " ".join(names)}
    with open_shell(cluster, renewal.master) as shell:
        install.upload_installers(shell, installer_files())
        install.run_installer(shell, SCRIPT, [], settings, report_progress)
    return Ensured(None, f"renewed {', '.join(names)}" if names else "brought into use")

"""Steps of further masters: they join one after the other, and leave etcd before they go."""

from collections.abc import Sequence

from domain.cloud import network
from domain.cloud.records import Instance
from domain.cluster.api import SYSTEM
from domain.kernel.ensured import Ensured
from domain.kernel.errors import JobFailed
from domain.kernel.names import MASTERS
from domain.node import boot, install, join, members
from domain.node.serving import Standing, State, find_off
from domain.secrets.pki import BootstrapToken, CertificateKey, ca_hash
from tasks.cluster import Cluster
from tasks.installers import installer_files
from tasks.machines import admit_owner
from tasks.shells import open_shell, pin_host_key
from tasks.standings import read_standings
from tasks.steps import report_progress, step

SHARED_KEYS = "kubeadm-certs"
"""The Secret in which kubeadm stores the keys that all masters share."""


def serving_masters(cluster: Cluster) -> tuple[Instance, ...]:
    """The masters that serve, those behind the load balancer first.

    Returns:
        Where none is known to serve, as without an answer of the API, those that run.
    """
    masters = cluster.inventory().masters
    standings = read_standings(cluster, masters) if len(masters) > 1 else {}
    serving = [one for one in masters if _serves(standings.get(one.id))]
    return tuple(serving or [one for one in masters if not find_off(one)] or masters)


def _serves(standing: Standing | None) -> bool:
    return standing is not None and standing.state is State.SERVING


def switched_off(machine: Instance, cluster: str) -> JobFailed:
    """The error about a master that is switched off while others run."""
    return JobFailed(
        f"master {machine.id} ({machine.name}): {find_off(machine)}; start it in the console, or "
        f"replace it with: python -m flows.repair --name {cluster}"
    )


@step("packages on master {master.id}")
def prepare_master(cluster: Cluster, master: Instance) -> Ensured[Instance]:
    """Wait for the machine, and install everything that needs no other master yet."""
    report_progress("booting")
    master = boot.wait_until_up(master, cluster.booting, clock=cluster.clock)
    report_progress("waiting for SSH")
    pin_host_key(cluster, master)
    settings = install.common_settings(cluster.spec, master, MASTERS, cluster.endpoints())
    settings |= join.further_master_settings(cluster.endpoints())
    return Ensured(master, _install(cluster, master, "install", settings))


@step("shared keys of {cluster.name}'s masters")
def share_keys(cluster: Cluster, via: Instance, key: CertificateKey) -> Ensured[None]:
    """Store the keys that all masters need in the cluster, encrypted.

    Args:
        via: a master that serves.
    """
    settings = install.common_settings(cluster.spec, via, MASTERS, cluster.endpoints())
    _install(cluster, via, "certificates", settings | {"CERTIFICATE_KEY": key.value})
    return Ensured(None, "stored, encrypted")


@step("deletion of the shared keys of {cluster.name}'s masters")
def forget_keys(cluster: Cluster) -> Ensured[None]:
    existed = cluster.api().delete("Secret", SHARED_KEYS, SYSTEM)
    return Ensured(None, "deleted" if existed else "there were none")


@step("join of master {master.id}")
def join_master(
    cluster: Cluster, master: Instance, via: Instance, token: BootstrapToken, key: CertificateKey
) -> Ensured[None]:
    """Let a machine join the control plane, once every member of etcd answers.

    Args:
        via: a master that serves.

    Raises:
        QuorumAtRisk: a member does not answer; nothing was done.
    """
    cluster.check_not_ending()
    with open_shell(cluster, via) as shell:
        install.upload_installers(shell, installer_files())
        known = members.list_members(shell)
    node = cluster.node_name(master)
    members.check_join(cluster.name, known, node, master.private_ip)
    settings = install.common_settings(cluster.spec, master, MASTERS, cluster.endpoints())
    ca = ca_hash(cluster.credentials().ca.certificate)
    settings |= join.master_join_settings(cluster.endpoints(), token, ca, key)
    did = _install(cluster, master, "join", settings)
    _restart_proxy(cluster, node)
    return Ensured(None, "joined" if did == "installed" else did)


def _restart_proxy(cluster: Cluster, node: str) -> None:
    """Let kube-proxy read the machine's hosts again: it has the name of the API from before.

    Until a master has joined, the name means the load balancer, which cannot send a backend's own
    traffic back to it.
    """
    api = cluster.api()
    for pod in api.list_pods(node=node, namespace=SYSTEM, selector="k8s-app=kube-proxy"):
        api.delete("Pod", pod.name, SYSTEM)


def _install(cluster: Cluster, master: Instance, word: str, settings: dict[str, str]) -> str:
    with open_shell(cluster, master) as shell:
        admit_owner(cluster, master, shell)
        install.upload_installers(shell, installer_files())
        changed = install.run_installer(
            shell, "k8s_master_installer.sh", [word], settings, report_progress
        )
    return "installed" if changed else "kept"


@step("quorum of {cluster.name}'s etcd")
def check_members(cluster: Cluster, via: Instance) -> Ensured[None]:
    """Refuse further masters while a member does not answer, unless it can be removed.

    Args:
        via: a master that serves.

    Raises:
        QuorumAtRisk: names the members.
    """
    masters = [(cluster.node_name(one), one.private_ip) for one in cluster.inventory().masters]
    with open_shell(cluster, via) as shell:
        install.upload_installers(shell, installer_files())
        known = members.list_members(shell)
    lost = members.find_lost(known, masters)
    for member in lost:
        members.check_removal(cluster.name, known, member)
    members.check_join(cluster.name, [one for one in known if one not in lost])
    return Ensured(None, f"{len(known)} members, {len(lost)} of them without a master")


@step("etcd members of {cluster.name} without a master")
def forget_lost_members(cluster: Cluster, via: Instance) -> Ensured[None]:
    """Take members out of etcd whose machine does not exist any more; none could join beside them.

    Args:
        via: a master that serves.

    Raises:
        QuorumAtRisk: without such a member those that are left would be no quorum.
    """
    masters = [(cluster.node_name(one), one.private_ip) for one in cluster.inventory().masters]
    with open_shell(cluster, via) as shell:
        install.upload_installers(shell, installer_files())
        lost = members.find_lost(members.list_members(shell), masters)
        for member in lost:
            members.check_removal(cluster.name, members.list_members(shell), member)
            members.remove_member(shell, member)
    names = " ".join(member.name or member.peer_url for member in lost)
    return Ensured(None, f"removed {names}" if lost else "there are none")


@step("quorum without {master.id}")
def check_leaving(cluster: Cluster, master: Instance, via: Instance) -> Ensured[None]:
    """Refuse the removal of a master without which etcd would have no quorum.

    Raises:
        QuorumAtRisk: names the master, and the members that do not answer.
    """
    node = cluster.node_name(master)
    with open_shell(cluster, via) as shell:
        install.upload_installers(shell, installer_files())
        known = members.list_members(shell)
    for member in (one for one in known if one.belongs_to(node, master.private_ip)):
        members.check_removal(cluster.name, known, member)
    return Ensured(None, f"{len(known)} members, and enough without it")


@step("etcd member of {master.id}")
def leave_etcd(cluster: Cluster, master: Instance, via: Instance) -> Ensured[None]:
    """Take a master's member out of etcd, before its machine goes. Raises as `check_leaving`."""
    node = cluster.node_name(master)
    with open_shell(cluster, via) as shell:
        known = members.list_members(shell)
        own = [one for one in known if one.belongs_to(node, master.private_ip)]
        for member in own:
            members.check_removal(cluster.name, known, member)
            members.remove_member(shell, member)
    return Ensured(None, f"removed {own[0].id}" if own else "it had none")


@step("public SSH port of {cluster.name}")
def move_jump_host(cluster: Cluster, master: Instance) -> Ensured[None]:
    """Let the public SSH port lead to a master that serves."""
    seen = cluster.inventory()
    assert seen.vpc is not None
    assert seen.balancer is not None
    wanted = network.wanted_forwards(
        cluster.name, cluster.spec.access, seen.balancer.private_ip, master.private_ip
    )
    network.ensure_forwards(cluster.cloud, cluster.name, seen.vpc, wanted, cluster.clock)
    return Ensured(None, f"leads to {master.id}")


def needs_another_jump_host(cluster: Cluster, serving: Sequence[Instance]) -> bool:
    """Whether the public SSH port leads to none of the masters that serve."""
    return bool(serving) and not any(map(cluster.inventory().leads_ssh_to, serving))

"""Steps in the life of a machine: launch, boot, first login, installers, join, ready."""

from datetime import timedelta

from domain.cloud.keypairs import ensure_keypair as ensure_uploaded
from domain.cloud.records import Image, Instance, KeyPair, SecurityGroup, Vxnet
from domain.cluster import join_tokens
from domain.cluster.api import Node
from domain.kernel.ensured import Ensured
from domain.node import boot, f2cadm, install, join, marks, ready
from domain.node.f2cadm import Roster
from domain.node.launch import WantedGroup, launch_missing
from domain.node.login import admit
from domain.node.shell import Shell
from domain.secrets.pki import BootstrapToken, ca_hash, make_ssh_keypair
from domain.secrets.userdata import build_userdata
from tasks.cluster import Cluster
from tasks.installers import installer_files
from tasks.shells import open_shell, pin_host_key
from tasks.steps import report_progress, step

TOKEN_VALIDITY = timedelta(hours=2)


@step("key pair of {cluster.name}")
def ensure_keypair(cluster: Cluster) -> Ensured[KeyPair]:
    public_key = cluster.credentials().ssh.public_key
    return ensure_uploaded(cluster.cloud, cluster.name, public_key, cluster.clock)


@step("machines {group} of {cluster.name}")
def launch(
    cluster: Cluster,
    group: str,
    image: Image,
    vxnets: tuple[Vxnet, ...],
    keypair: KeyPair,
    security_group: SecurityGroup,
) -> Ensured[tuple[Instance, ...]]:
    """Start the missing machines of a group.

    The first host key of new machines is generated for this launch, and its public half saved
    before the machines exist.

    Returns:
        All machines of the group, those that still boot included.
    """
    wanted = WantedGroup(
        cluster=cluster.name,
        group=group,
        count=cluster.spec.count(group),
        template=cluster.spec.template(group),
        image_id=image.id,
        vxnets=vxnets,
        keypair_id=keypair.id,
        security_group_id=security_group.id,
    )

    def userdata() -> bytes:
        first = make_ssh_keypair()
        cluster.update_credentials(lambda now: now.with_first(first.public_key))
        return build_userdata(first)

    return launch_missing(cluster.cloud, wanted, userdata, cluster.clock)


@step("boot of {machine.id}")
def wait_until_up(cluster: Cluster, machine: Instance) -> Ensured[Instance]:
    seen = boot.wait_until_up(machine, cluster.booting, clock=cluster.clock)
    return Ensured(seen, f"runs as {seen.private_ip}")


@step("first login to {master.id}")
def log_in_to_master(cluster: Cluster, master: Instance) -> Ensured[str]:
    """Pin the master's own host key before it is used as the jump host."""
    known = cluster.credentials().host_keys
    if master.id in known:
        return Ensured(known[master.id], "host key known")
    report_progress("waiting for SSH")
    return Ensured(pin_host_key(cluster, master), "host key pinned")


@step("Kubernetes on master {master.id}")
def install_master(cluster: Cluster, master: Instance, token: BootstrapToken) -> Ensured[Instance]:
    """Upload the CA and the installers to the master, and run its installer."""
    with open_shell(cluster, master) as shell:
        admit_owner(cluster, master, shell)
        install.upload_installers(shell, installer_files())
        install.upload_ca(shell, cluster.credentials().ca)
        settings = install.master_settings(cluster.spec, master, cluster.endpoints(), token)
        changed = install.run_installer(
            shell, "k8s_master_installer.sh", [], settings, report_progress
        )
    return Ensured(master, "installed" if changed else "kept")


@step("packages on node {node.id}")
def install_node(
    cluster: Cluster, node: Instance, label: str = install.INSTANCE_LABEL
) -> Ensured[Instance]:
    """Wait for the machine, and install everything that needs no master yet.

    Args:
        label: as `install.common_settings` takes it.
    """
    report_progress("booting")
    node = boot.wait_until_up(node, cluster.booting, clock=cluster.clock)
    report_progress("waiting for SSH")
    pin_host_key(cluster, node)
    with open_shell(cluster, node) as shell:
        admit_owner(cluster, node, shell)
        install.upload_installers(shell, installer_files())
        group = cluster.group_of(node)
        settings = install.common_settings(cluster.spec, node, group, cluster.endpoints(), label)
        changed = install.run_installer(
            shell, "k8s_node_installer.sh", ["install"], settings, report_progress
        )
    return Ensured(node, "installed" if changed else "kept")


def admit_owner(cluster: Cluster, machine: Instance, shell: Shell) -> None:
    """Let the owner of the existing key pair in, if the description names one."""
    if named := cluster.spec.access.keypair:
        user = cluster.ssh_endpoints().user(cluster.group_of(machine))
        for keypair in cluster.cloud.known.read_keypairs((named,)):
            admit(shell, user, keypair)


@step("join token of {cluster.name}")
def publish_token(cluster: Cluster, token: BootstrapToken) -> Ensured[None]:
    """Create a join token for the machines of this run."""
    expires = cluster.api().read_time() + TOKEN_VALIDITY  # the cluster's clock ends it
    return join_tokens.publish_token(cluster.api(), token, expires, cluster.clock)


@step("join of node {node.id}")
def join_node(
    cluster: Cluster, node: Instance, token: BootstrapToken, label: str = install.INSTANCE_LABEL
) -> Ensured[None]:
    cluster.check_not_ending()
    node = boot.wait_until_up(node, cluster.booting, clock=cluster.clock)
    with open_shell(cluster, node) as shell:
        group = cluster.group_of(node)
        settings = install.common_settings(cluster.spec, node, group, cluster.endpoints(), label)
        settings |= join.join_settings(token, ca_hash(cluster.credentials().ca.certificate))
        changed = install.run_installer(
            shell, "k8s_node_installer.sh", ["join"], settings, report_progress
        )
    return Ensured(None, "joined" if changed else "kept")


@step("node {machine.id} Ready")
def wait_until_ready(cluster: Cluster, machine: Instance) -> Ensured[Node]:
    api = cluster.api()
    done = ready.wait_until_ready(api, cluster.node_name(machine), cluster.clock)
    marks.apply_changes(api, done.value, marks.find_changes(done.value, cluster.spec))
    return done


@step("labels of {cluster.name}'s nodes")
def mark_nodes(cluster: Cluster) -> Ensured[None]:
    """Set labels and annotations that an interrupted run, or an earlier version, has not set."""
    api = cluster.api()
    marked = []
    for node in api.list_nodes():
        changes = marks.find_changes(node, cluster.spec)
        marks.apply_changes(api, node, changes)
        if ready.mark_node(api, node) or changes:
            marked.append(node.name)
    return Ensured(None, f"set on {' '.join(marked)}" if marked else "kept")


@step("deletion of {cluster.name}'s join token")
def delete_token(cluster: Cluster, token: BootstrapToken) -> Ensured[None]:
    join_tokens.delete_token(cluster.api(), token)
    return Ensured(None, f"{token.id} deleted")


@step("join tokens of earlier runs of {cluster.name}")
def delete_old_tokens(cluster: Cluster) -> Ensured[None]:
    return join_tokens.delete_old_tokens(cluster.api())


def lacking_roster(cluster: Cluster, roster: Roster) -> tuple[Instance, ...]:
    """The machines that have not got exactly this table."""
    return f2cadm.lacking(cluster.api().list_nodes(), roster)


@step("f2cadm on {machine.id}")
def write_f2cadm(cluster: Cluster, machine: Instance, roster: Roster) -> Ensured[None]:
    """Upload `f2cadm` and the table of all machines, in the format of the article's scripts."""
    servers = f2cadm.servers_table(roster)
    local = f2cadm.servers_table([(cluster.group_of(machine), machine)])
    with open_shell(cluster, machine) as shell:
        f2cadm.upload_f2cadm(shell, installer_files(), servers, local)
    mark = {f2cadm.ROSTER: f2cadm.digest(servers)}
    cluster.api().annotate_node(cluster.node_name(machine), mark)
    return Ensured(None, f"lists {len(roster)} machines")

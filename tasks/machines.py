"""Tasks of the machines: key pair, launch, first login, installers, join."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from blocks.accounts import QingCloudAccount
from blocks.credentials import ClusterCredentials
from domain.cloud import keypairs
from domain.cloud.balancer import UI_NODE_PORT
from domain.cloud.records import Instance, KeyPair, SecurityGroup, Vxnet
from domain.kernel.ensured import Ensured
from domain.kernel.names import MASTERS, NODES
from domain.node import f2cadm, join, kube_ui
from domain.node import install as bootstrap
from domain.node import launch as machines
from domain.node.install import ApiPlace
from domain.node.launch import GroupWish
from domain.secrets.pki import BootstrapToken, ca_hash, make_server_certificate, make_ssh_keypair
from domain.secrets.userdata import build_userdata
from domain.spec.cluster import ClusterSpec
from tasks.credentials import read_credentials, update_credentials
from tasks.installers import installer_files
from tasks.shells import Entrance, open_shell, pin_host_key
from tasks.steps import step, tell_progress

UI_CERTIFICATE_VALIDITY = timedelta(days=365)


@step("key pair of {spec.name}")
def ensure_keypair(
    account: QingCloudAccount, spec: ClusterSpec, credentials: ClusterCredentials
) -> Ensured[KeyPair]:
    with account.client() as cloud:
        return keypairs.ensure_keypair(cloud, spec.name, credentials.ssh_public_key)


@step("machines {group} of {spec.name}")
def ensure_machines(
    account: QingCloudAccount,
    spec: ClusterSpec,
    group: str,
    image_id: str,
    vxnets: tuple[Vxnet, ...],
    keypair: KeyPair,
    security_group: SecurityGroup,
) -> Ensured[tuple[Instance, ...]]:
    """Start what the group lacks, and wait until all its machines run and have an address.

    The key that a new machine first answers with is made here, fresh for this launch, and its
    public half saved before the machines exist.
    """
    wish = GroupWish(
        cluster=spec.name,
        group=group,
        count=spec.count(group),
        template=spec.template(group),
        image_id=image_id,
        vxnets=vxnets,
        keypair_id=keypair.id,
        security_group_id=security_group.id,
    )

    def userdata() -> bytes:
        first = make_ssh_keypair()
        update_credentials(account, spec.name, lambda now: now.with_first(first.public_key))
        return build_userdata(first)

    with account.client() as cloud:
        return machines.launch_missing(cloud, wish, userdata)


@step("first login to {entrance.master.id}")
def log_in_to_master(account: QingCloudAccount, entrance: Entrance) -> Ensured[str]:
    """Pin the master's own host key before anybody uses it as the jump host."""
    known = read_credentials(account, entrance.cluster).credentials().host_keys
    if entrance.master.id in known:
        return Ensured(known[entrance.master.id], "host key known")
    tell_progress("waiting for SSH")
    return Ensured(pin_host_key(account, entrance, MASTERS, entrance.master), "host key pinned")


@step("Kubernetes on master {master.id}")
def install_master(
    account: QingCloudAccount,
    spec: ClusterSpec,
    entrance: Entrance,
    master: Instance,
    place: ApiPlace,
    token: BootstrapToken,
) -> Ensured[Instance]:
    """Give the master the CA and the installers, and run its installer."""
    ca = read_credentials(account, spec.name).credentials().ca
    with open_shell(account, entrance, MASTERS, master) as shell:
        bootstrap.upload_installers(shell, installer_files())
        bootstrap.upload_ca(shell, ca)
        settings = bootstrap.master_settings(spec, master, place, token)
        changed = bootstrap.run_installer(
            shell, "k8s_master_installer.sh", [], settings, tell_progress
        )
    return Ensured(master, "installed" if changed else "kept")


@step("packages on node {node.id}")
def install_node(
    account: QingCloudAccount,
    spec: ClusterSpec,
    entrance: Entrance,
    node: Instance,
    place: ApiPlace,
) -> Ensured[Instance]:
    """Install all that needs no master yet, while the master comes up."""
    tell_progress("waiting for SSH")
    pin_host_key(account, entrance, NODES, node)
    with open_shell(account, entrance, NODES, node) as shell:
        bootstrap.upload_installers(shell, installer_files())
        settings = bootstrap.common_settings(spec, node, NODES, place)
        changed = bootstrap.run_installer(
            shell, "k8s_node_installer.sh", ["install"], settings, tell_progress
        )
    return Ensured(node, "installed" if changed else "kept")


@step("join of node {node.id}")
def join_node(
    account: QingCloudAccount,
    spec: ClusterSpec,
    entrance: Entrance,
    node: Instance,
    place: ApiPlace,
    token: BootstrapToken,
) -> Ensured[Instance]:
    ca = read_credentials(account, spec.name).ca_certificate
    with open_shell(account, entrance, NODES, node) as shell:
        settings = bootstrap.common_settings(spec, node, NODES, place)
        settings |= join.join_settings(token, ca_hash(ca))
        changed = bootstrap.run_installer(
            shell, "k8s_node_installer.sh", ["join"], settings, tell_progress
        )
    return Ensured(node, "joined" if changed else "kept")


@step("f2cadm on {machine.id}")
def write_f2cadm(
    account: QingCloudAccount,
    entrance: Entrance,
    group: str,
    machine: Instance,
    everyone: Sequence[tuple[str, Instance]],
) -> Ensured[None]:
    """Tell a machine who its neighbours are, in the words of the article's scripts."""
    servers = f2cadm.servers_table(entrance.cluster, everyone)
    local = f2cadm.servers_table(entrance.cluster, [(group, machine)])
    with open_shell(account, entrance, group, machine) as shell:
        f2cadm.upload_f2cadm(shell, installer_files(), servers, local)
    return Ensured(None, f"knows {len(everyone)} machines")


@step("kube-ui of {entrance.cluster}")
def install_ui(account: QingCloudAccount, entrance: Entrance, place: ApiPlace) -> Ensured[None]:
    """Run the UI's installer on the master, with a certificate of the cluster's own CA."""
    ca = read_credentials(account, entrance.cluster).credentials().ca
    names = (place.public_address, place.balancer_ip)
    now = datetime.now(UTC)
    with open_shell(account, entrance, MASTERS, entrance.master) as shell:
        bootstrap.upload_installers(shell, installer_files())
        certificate = make_server_certificate(ca, names, now, UI_CERTIFICATE_VALIDITY)
        kube_ui.upload_ui_certificate(shell, certificate)
        settings = kube_ui.ui_settings(UI_NODE_PORT)
        changed = bootstrap.run_installer(
            shell, "kube_ui_installer.sh", [], settings, tell_progress
        )
    return Ensured(None, "installed" if changed else "kept")

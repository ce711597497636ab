"""The runbook of a cluster: which steps there are, in which order, and what runs beside what."""

from blocks.accounts import QingCloudAccount
from domain.kernel.names import MASTERS, NODES, node_name
from domain.node.install import ApiPlace
from domain.secrets.pki import make_bootstrap_token
from domain.spec.cluster import ClusterSpec
from flows._nodes import install_nodes, join_nodes, login_users, tell_neighbours
from flows.ui import publish_ui
from tasks.control_plane import (
    api_url,
    ready_nodes,
    refuse_forgotten,
    store_spec,
    wait_for_apiserver,
    wait_for_nodes,
)
from tasks.credentials import ensure_credentials
from tasks.machines import ensure_keypair, ensure_machines, install_master, log_in_to_master
from tasks.network import (
    apply_firewall,
    bind_address,
    ensure_address,
    ensure_balancer,
    ensure_firewall,
    ensure_machine_group,
    ensure_routes,
    ensure_vpc,
    ensure_vxnets,
    publish_ports,
)
from tasks.overview import check_spec, read_view
from tasks.shells import Entrance
from tasks.tags import tag_resources
from tasks.workloads import ensure_demo


def build(
    account: QingCloudAccount,
    spec: ClusterSpec,
    *,
    is_stored: bool,
    accept_new_host_keys: bool,
    demo: bool,
    ui: bool,
) -> None:
    """Make what is missing of a cluster, one step after the other or side by side.

    The critical path is network, master, control plane, join; everything else runs beside it.

    Args:
        is_stored: whether the description rests on the one that the cluster remembers.
    """
    view = read_view(account, spec.name)
    choices = check_spec(account, spec, view)
    credentials = ensure_credentials(account, view)

    # What needs nothing else.
    firewall = ensure_firewall.submit(account, spec)
    machine_group = ensure_machine_group.submit(account, spec)
    keypair = ensure_keypair.submit(account, spec, credentials)
    address = ensure_address.submit(account, spec)

    # The network. A router takes one change at a time, hence the order.
    vpc = ensure_vpc(account, spec, firewall.result())
    applied = apply_firewall.submit(account, firewall.result(), vpc)
    machines = spec.masters.count + spec.nodes.count
    vxnets = ensure_vxnets(account, spec, vpc, machines)
    balancer = ensure_balancer.submit(account, spec, vxnets, firewall.result())

    # Machines of both groups start while the public side comes up.
    masters, nodes = (
        ensure_machines.submit(
            account,
            spec,
            group,
            choices.images[group].id,
            vxnets,
            keypair.result(),
            machine_group.result(),
        )
        for group in (MASTERS, NODES)
    )
    vpc = bind_address(account, vpc, vxnets, address.result())
    routes = ensure_routes.submit(account, spec, balancer.result(), masters.result())
    applied.result()
    public = publish_ports(account, spec, vpc, balancer.result(), masters.result())
    place = ApiPlace(balancer.result().private_ip, public)
    url = api_url(public, spec.access.api_port)

    # Kubernetes: nodes install what needs no master while the master comes up.
    entrance = Entrance(
        spec.name,
        public,
        spec.access.ssh_port,
        masters.result()[0],
        login_users(choices),
        accept_new_host_keys,
        spec.access.allowed_cidrs,
    )
    routes.result()
    # Before there was a master nobody can be Ready, and asking would cost a time-out.
    ready = ready_nodes(account, view, url) if view.masters else frozenset[str]()
    master, token = entrance.master, make_bootstrap_token()
    new = [node for node in nodes.result() if node_name(NODES, node.id) not in ready]
    log_in_to_master(account, entrance)
    master_done = None
    if node_name(MASTERS, master.id) not in ready:
        master_done = install_master.submit(account, spec, entrance, master, place, token)
    installed = install_nodes(account, spec, entrance, new, place)
    if master_done:
        master_done.result()
    wait_for_apiserver(account, spec, url)
    if not is_stored:
        refuse_forgotten(account, spec.name, url)
    join_nodes(account, spec, entrance, installed, place)
    wait_for_nodes(account, spec, url, [node_name(MASTERS, master.id)])

    # What is remembered, shown and tried.
    stored = store_spec.submit(account, spec, url)
    tagged = tag_resources.submit(account, spec.name) if view.tag is None or new else None
    if new or master_done:
        tell_neighbours(account, entrance, read_view(account, spec.name))
    if ui:
        publish_ui(account, spec, entrance, place)
    if demo:
        ensure_demo(account, spec.name, url)
    stored.result()
    if tagged:
        tagged.result()

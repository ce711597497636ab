"""The runbook that creates a cluster, or finishes or extends an existing one."""

from itertools import chain

from domain.cloud.inventory import serving_first
from domain.kernel.names import MASTERS
from domain.secrets.pki import make_bootstrap_token
from flows.runbooks.hooks import run_hooks_of_added
from flows.runbooks.nodes import (
    distribute_roster,
    install_nodes,
    join_nodes,
    remove_unneeded,
)
from flows.runbooks.ui import publish_ui
from tasks.cluster import Cluster
from tasks.control_plane import check_nothing_stored, ready_nodes, store_spec, wait_for_apiserver
from tasks.credentials import ensure_credentials
from tasks.executors import Steps
from tasks.machines import (
    delete_old_tokens,
    delete_token,
    ensure_keypair,
    install_master,
    launch,
    log_in_to_master,
    mark_nodes,
    wait_until_ready,
    wait_until_up,
)
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
    tag_resources,
)
from tasks.overview import check_spec
from tasks.runs import claim_cluster
from tasks.scaling import delete_lost_nodes
from tasks.workloads import ensure_demo


def provision(
    steps: Steps, cluster: Cluster, *, is_stored: bool, demo: bool = True, ui: bool = True
) -> None:
    """Create the missing parts of a cluster: VPC, master, API server, nodes, kube-ui, demo.

    The critical path is network, master, control plane, join; everything else runs in parallel. A
    node that fails delays nothing, and is named at the end.

    Args:
        cluster: the handle, with the wanted description.
        is_stored: whether the description is based on the stored one.
    """
    before = cluster.inventory()
    had_master = bool(before.masters)
    choices = steps.run(check_spec, cluster)
    steps.run(ensure_credentials, cluster)

    # Resources that need no other.
    firewall = steps.start(ensure_firewall, cluster)
    machine_group = steps.start(ensure_machine_group, cluster)
    keypair = steps.start(ensure_keypair, cluster)
    address = steps.start(ensure_address, cluster)

    # The network. A router accepts one change at a time, hence the order.
    vpc = steps.run(ensure_vpc, cluster, firewall.result())
    opened = steps.start(apply_firewall, cluster, firewall.result(), vpc)
    vxnets = steps.run(ensure_vxnets, cluster, vpc)
    balancer = steps.start(ensure_balancer, cluster, vxnets, firewall.result())

    # The machines of all groups boot while the public side comes up.
    launched = {
        group: steps.run(
            launch,
            cluster,
            group,
            choices.images[group],
            vxnets,
            keypair.result(),
            machine_group.result(),
        )
        for group in cluster.spec.group_names
    }
    masters = launched.pop(MASTERS)
    nodes = tuple(chain.from_iterable(launched.values()))
    masters = serving_first(masters, before.backends)[: cluster.spec.masters.count]
    booting = [steps.start(wait_until_up, cluster, master) for master in masters]
    vpc = steps.run(bind_address, cluster, vpc, vxnets, address.result())
    masters = tuple(master.result() for master in booting)
    routes = steps.start(ensure_routes, cluster, balancer.result(), masters)
    opened.result()
    endpoints = steps.run(publish_ports, cluster, vpc, balancer.result(), masters)
    cluster = cluster.at(endpoints, choices.login_users)
    routes.result()

    # Kubernetes: nodes install everything that needs no master while the master is installed.
    # Without an earlier master no node can be Ready, and asking would cost a time-out.
    ready = ready_nodes(cluster) if had_master else frozenset[str]()
    new = [node for node in nodes if cluster.node_name(node) not in ready]
    new_masters = [master for master in masters if cluster.node_name(master) not in ready]
    steps.run(log_in_to_master, cluster, masters[0])
    token = make_bootstrap_token()
    control_planes = [steps.start(install_master, cluster, one, token) for one in new_masters]
    installed = install_nodes(steps, cluster, new)
    for control_plane in control_planes:
        control_plane.result()
    steps.run(wait_for_apiserver, cluster)
    claim_cluster(cluster)
    if not is_stored:
        check_nothing_stored(cluster)
    if control_planes:
        steps.run(delete_token, cluster, token)
    failures = join_nodes(steps, cluster, installed)
    for master in masters:
        steps.run(wait_until_ready, cluster, master)

    # Description, tag, f2cadm, kube-ui, demo.
    stored = steps.start(store_spec, cluster)
    tagged = steps.start(tag_resources, cluster)
    if had_master:
        steps.run(delete_lost_nodes, cluster)
        steps.run(delete_old_tokens, cluster)
        steps.run(mark_nodes, cluster)
    others = (
        one for one in before.instances if before.group_of(one) not in cluster.spec.group_names
    )
    remove_unneeded(steps, cluster, (*masters, *nodes, *others))
    distribute_roster(steps, cluster, failures)
    if ui:
        publish_ui(steps, cluster, masters[0])
    if demo and failures.spare_any_of(nodes):
        steps.run(ensure_demo, cluster)
    stored.result()
    tagged.result()
    run_hooks_of_added(steps, cluster)
    failures.check()

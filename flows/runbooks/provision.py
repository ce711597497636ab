"""The runbook that creates a cluster, or finishes or extends an existing one."""

from collections.abc import Sequence
from itertools import chain

from domain.cloud.inventory import control_plane
from domain.cloud.records import Instance
from domain.kernel.names import MASTERS
from domain.node.serving import find_off
from domain.secrets.pki import make_bootstrap_token
from flows.runbooks.addons import ensure_addons, prepare_addons
from flows.runbooks.hooks import run_hooks_of_added
from flows.runbooks.masters import check_quorum, joining_masters, prepare_masters
from flows.runbooks.nodes import (
    Failures,
    distribute_roster,
    install_nodes,
    join_nodes,
    remove_unneeded,
)
from flows.runbooks.ui import publish_ui
from tasks.cluster import Cluster
from tasks.control_plane import (
    answers,
    check_nothing_stored,
    ready_nodes,
    store_spec,
    wait_for_apiserver,
)
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
from tasks.masters import switched_off
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
    steps: Steps,
    cluster: Cluster,
    *,
    is_stored: bool,
    demo: bool = True,
    ui: bool = True,
    keeps_addons: bool = False,
) -> None:
    """Create the missing parts of a cluster: VPC, masters, API server, nodes, kube-ui, demo.

    The critical path is network, master, control plane, join; everything else runs in parallel.
    Further masters join one after the other, beside the nodes. A machine that fails delays nothing,
    and is named at the end.

    Args:
        cluster: the handle, with the wanted description.
        is_stored: whether the description is based on the stored one.
        keeps_addons: whether add-ons stay that are not in the description.
    """
    before = cluster.inventory()
    had_master = bool(before.masters)
    choices = steps.run(check_spec, cluster)
    steps.run(ensure_credentials, cluster)
    if had_master:
        check_quorum(steps, cluster)
    is_running = had_master and answers(cluster)
    keys = prepare_addons(steps, cluster, is_running=is_running, keeps_others=keeps_addons)

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
    failures = Failures(cluster.name)
    masters = control_plane(masters, before.backends, cluster.spec.masters.count)
    running = running_masters(cluster, masters, failures)
    booting = [steps.start(wait_until_up, cluster, master) for master in running]
    vpc = steps.run(bind_address, cluster, vpc, vxnets, address.result())
    running = tuple(master.result() for master in booting)
    # A further master is added once it has joined: until then it would answer nobody.
    serving = {backend.instance_id for backend in before.backends}
    balanced = tuple(one for one in running if one.id in serving) or running[:1]
    routes = steps.start(ensure_routes, cluster, balancer.result(), balanced)
    opened.result()
    endpoints = steps.run(publish_ports, cluster, vpc, balancer.result(), running)
    cluster = cluster.at(endpoints, choices.login_users)
    routes.result()

    # Kubernetes: nodes install everything that needs no master while the master is installed.
    # Without an earlier master no node can be Ready, and asking would cost a time-out.
    ready = ready_nodes(cluster) if had_master else frozenset[str]()
    new = [node for node in nodes if cluster.node_name(node) not in ready]
    finished = [master for master in running if cluster.node_name(master) in ready]
    if not finished and failures.errors:  # the one that is off may hold the cluster's objects
        failures.check()
    first = running[:1] if not finished else ()
    further = [one for one in running if one not in finished and one not in first]
    jump = next(one for one in running if one.id == endpoints.jump_host)
    steps.run(log_in_to_master, cluster, jump)
    token = make_bootstrap_token()
    control_planes = [steps.start(install_master, cluster, one, token) for one in first]
    installed = install_nodes(steps, cluster, new)
    preparing = prepare_masters(steps, cluster, further)
    for installing in control_planes:
        installing.result()
    steps.run(wait_for_apiserver, cluster)
    claim_cluster(cluster)
    if not is_stored:
        check_nothing_stored(cluster)
    if control_planes:
        steps.run(delete_token, cluster, token)
    via = finished[0] if finished else first[0]
    with joining_masters(steps, cluster, via, preparing, failures) as joining:
        join_nodes(steps, cluster, installed, failures)
        joined = joining.collect(failures)
    for master in (*finished, *first):
        steps.run(wait_until_ready, cluster, master)
    if set(balanced) != {*finished, *first, *joined}:
        steps.run(ensure_routes, cluster, balancer.result(), (*finished, *first, *joined))

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
        publish_ui(steps, cluster, via)
    if failures.spare_any_of(nodes):
        ensure_addons(steps, cluster, keys, removes_others=had_master and not keeps_addons)
    if demo and failures.spare_any_of(nodes):
        steps.run(ensure_demo, cluster)
    stored.result()
    tagged.result()
    run_hooks_of_added(steps, cluster)
    failures.check()


def running_masters(
    cluster: Cluster, masters: Sequence[Instance], failures: Failures
) -> tuple[Instance, ...]:
    """The masters to work with; beside others, one that is switched off is a failure of its own."""
    off = [one for one in masters if find_off(one)]
    if len(off) == len(masters):
        return tuple(masters)
    for master in off:
        failures.errors[master.id] = switched_off(master, cluster.name)
    return tuple(one for one in masters if one not in off)

"""Changing the size of a group: what a person's `scale` and the autoscaler share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from blocks.accounts import QingCloudAccount
from domain.cloud.inventory import Inventory
from domain.cloud.records import Instance
from domain.kernel.errors import ClusterError
from domain.kernel.names import NODES, node_name
from domain.node.drain import DRAIN_DEADLINE
from domain.spec.cluster import ClusterSpec
from flows._nodes import (
    entrance_to,
    install_nodes,
    join_nodes,
    login_users,
    place_of,
    tell_neighbours,
)
from tasks.control_plane import ready_nodes
from tasks.credentials import read_credentials
from tasks.machines import ensure_keypair, ensure_machines
from tasks.network import ensure_machine_group, ensure_vxnets
from tasks.overview import check_spec, read_view
from tasks.scaling import (
    detach_volumes,
    drain_node,
    forget_node,
    give_back,
    leave_listeners,
    remove_machine,
)
from tasks.tags import tag_resources


def scale_out(account: QingCloudAccount, spec: ClusterSpec, view: Inventory, url: str) -> None:
    """Start what is missing, install and join it; finishes machines of an earlier run, too."""
    choices = check_spec(account, spec, view)
    # Not made anew where they are missing, and refused while somebody tears the cluster down.
    credentials = read_credentials(account, view.name)
    keypair = ensure_keypair(account, spec, credentials)
    security_group = ensure_machine_group(account, spec)
    assert view.vpc is not None
    vxnets = ensure_vxnets(account, spec, view.vpc, spec.masters.count + spec.nodes.count)
    image = choices.images[NODES].id
    nodes = ensure_machines(account, spec, NODES, image, vxnets, keypair, security_group)
    view = read_view(account, spec.name)
    ready = ready_nodes(account, view, url)
    new = [node for node in nodes if node_name(NODES, node.id) not in ready]
    entrance = entrance_to(spec, view, view.public_address, login_users(choices))
    installed = install_nodes(account, spec, entrance, new, place_of(view))
    join_nodes(account, spec, entrance, installed, place_of(view))
    if new:
        tag_resources(account, spec.name)
        tell_neighbours(account, entrance, view)


def scale_in(
    account: QingCloudAccount,
    spec: ClusterSpec,
    view: Inventory,
    url: str,
    group: str,
    leaving: Sequence[Instance],
    holder: str = "",
    deadline: float = DRAIN_DEADLINE,
) -> None:
    """Empty and remove exactly these machines, one after the other.

    Pods find a place in between. A node whose machine cannot go takes pods again, and the run ends
    there.

    Args:
        holder: the evaluator that wants it, if it is one.
        deadline: seconds for a node's pods to leave.
    """
    for machine in leaving:
        with _given_back(account, view, url, group, machine):
            drain_node(account, view.name, url, group, machine, holder, deadline)
            detach_volumes(account, view.name, url, group, machine)
            balancer_id = view.balancer.id if view.balancer else ""
            leave_listeners(account, machine, balancer_id, view.backends)
            remove_machine(account, view.name, url, group, machine)
        forget_node(account, view.name, url, node_name(group, machine.id))
    choices = check_spec(account, spec, view)
    after = read_view(account, spec.name)
    entrance = entrance_to(spec, after, after.public_address, login_users(choices))
    tell_neighbours(account, entrance, after)


@contextmanager
def _given_back(
    account: QingCloudAccount, view: Inventory, url: str, group: str, machine: Instance
) -> Iterator[None]:
    """Let the node take pods again when what is inside fails."""
    try:
        yield
    except BaseException:
        with suppress(ClusterError):  # the step tells of it; why the removal failed matters more
            give_back(account, view.name, url, group, machine)
        raise

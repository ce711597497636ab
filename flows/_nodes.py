"""Bringing machines into a cluster as nodes: what `provision` and `scale` share."""

from collections.abc import Sequence

from blocks.accounts import QingCloudAccount
from domain.cloud.inventory import Inventory
from domain.cloud.preflight import Choices
from domain.cloud.records import Instance
from domain.kernel.errors import NotFound
from domain.kernel.names import GROUPS, NODES, node_name
from domain.node.install import ApiPlace
from domain.secrets.pki import make_bootstrap_token
from domain.spec.cluster import ClusterSpec
from tasks.control_plane import api_url, forget_token, publish_token, wait_for_nodes
from tasks.machines import install_node, join_node, write_f2cadm
from tasks.shells import Entrance

MOST_AT_ONCE = 16
"""Machines that are worked on at the same time: all of them come in by one jump host."""


def place_of(view: Inventory) -> ApiPlace:
    """Where an existing cluster's API is.

    Raises:
        NotFound: the cluster has no load balancer or no public address.
    """
    if view.balancer is None or not view.public_address:
        raise NotFound(
            f"cluster {view.name} has no load balancer or no public address; "
            f"finish it with: python -m flows.provision --name {view.name}"
        )
    return ApiPlace(view.balancer.private_ip, view.public_address)


def entrance_to(
    spec: ClusterSpec, view: Inventory, address: str, users: dict[str, str]
) -> Entrance:
    """The way to an existing cluster's machines. Raises `NotFound` without a master."""
    if not view.masters:
        raise NotFound(
            f"cluster {view.name} has no master; "
            f"finish it with: python -m flows.provision --name {view.name}"
        )
    return Entrance(
        spec.name,
        address,
        spec.access.ssh_port,
        view.masters[0],
        users,
        allowed_cidrs=spec.access.allowed_cidrs,
    )


def login_users(choices: Choices) -> dict[str, str]:
    return {group: choices.images[group].login_user for group in GROUPS}


def install_nodes(
    account: QingCloudAccount,
    spec: ClusterSpec,
    entrance: Entrance,
    nodes: Sequence[Instance],
    place: ApiPlace,
) -> list[Instance]:
    """Install what needs no master yet, on several machines at a time."""
    running = [install_node.submit(account, spec, entrance, node, place) for node in nodes]
    return [future.result() for future in running]


def join_nodes(
    account: QingCloudAccount,
    spec: ClusterSpec,
    entrance: Entrance,
    nodes: Sequence[Instance],
    place: ApiPlace,
) -> None:
    """Let installed machines join with a token of their own, and wait until they are Ready."""
    if not nodes:
        return
    url = api_url(place.public_address, spec.access.api_port)
    token = make_bootstrap_token()
    publish_token(account, spec, url, token)
    joining = [join_node.submit(account, spec, entrance, node, place, token) for node in nodes]
    for future in joining:
        future.result()
    wait_for_nodes(account, spec, url, [node_name(NODES, node.id) for node in nodes])
    forget_token(account, spec.name, url, token)


def tell_neighbours(account: QingCloudAccount, entrance: Entrance, view: Inventory) -> None:
    """Give every machine the table from which `f2cadm` answers."""
    everyone = [(view.group_of(machine), machine) for machine in view.instances]
    running = [
        write_f2cadm.submit(account, entrance, group, machine, everyone)
        for group, machine in everyone
    ]
    for future in running:
        future.result()

"""The runbooks that add and remove machines; shared by the command `scale` and the evaluator."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from domain.cloud.records import Instance
from domain.kernel.errors import ClusterError
from domain.node.drain import DRAIN_DEADLINE
from domain.node.serving import State
from flows.runbooks.hooks import run_hooks_of_added, run_hooks_of_removed
from flows.runbooks.nodes import (
    Failures,
    distribute_roster,
    install_nodes,
    join_nodes,
    remove_unneeded,
)
from flows.runbooks.reaching import reach
from tasks.cluster import Cluster
from tasks.control_plane import store_spec
from tasks.executors import Steps
from tasks.machines import delete_old_tokens, ensure_keypair, launch, mark_nodes
from tasks.network import ensure_machine_group, ensure_vxnets, tag_resources
from tasks.overview import check_spec
from tasks.scaling import (
    delete_lost_nodes,
    delete_node,
    detach_volumes,
    drain_node,
    remove_backends,
    remove_machine,
    uncordon,
)
from tasks.standings import read_standings


def scale_to(steps: Steps, cluster: Cluster, group: str, leaving: Sequence[Instance]) -> None:
    """Give a group its wanted size, which is stored first: a later run finishes what this begins.

    Args:
        group: a group of nodes.
        leaving: the machines to remove; without any, missing ones are added.
    """
    steps.run(store_spec, cluster)
    if leaving:
        scale_in(steps, cluster, leaving)
    else:
        scale_out(steps, cluster, group)


def scale_out(steps: Steps, cluster: Cluster, group: str, *, only_new: bool = False) -> None:
    """Launch, install and join missing machines of a group; finishes those of an earlier run.

    Args:
        only_new: leave broken machines alone, so that nothing waits for them.
    """
    inventory = cluster.inventory()
    choices = steps.run(check_spec, cluster)
    # Credentials are not generated here, and refused while the cluster is being torn down.
    cluster.check_not_ending()
    keypair = steps.run(ensure_keypair, cluster)
    security_group = steps.run(ensure_machine_group, cluster)
    assert inventory.vpc is not None
    vxnets = steps.run(ensure_vxnets, cluster, inventory.vpc)
    image = choices.images[group]
    nodes = steps.run(launch, cluster, group, image, vxnets, keypair, security_group)
    cluster = reach(steps, cluster.at(cluster.endpoints(), choices.login_users))
    steps.run(delete_lost_nodes, cluster)
    steps.run(delete_old_tokens, cluster)
    steps.run(mark_nodes, cluster)
    standings = read_standings(cluster, nodes)
    finished = {State.SERVING, State.NOT_READY, State.BROKEN} if only_new else {State.SERVING}
    new = [node for node in nodes if standings[node.id].state not in finished]
    failures = join_nodes(steps, cluster, install_nodes(steps, cluster, new))
    steps.run(tag_resources, cluster)
    others = (one for one in inventory.instances if inventory.group_of(one) != group)
    remove_unneeded(steps, cluster, (*others, *nodes))
    distribute_roster(steps, cluster, failures)
    run_hooks_of_added(steps, cluster)
    failures.check()


def scale_in(
    steps: Steps,
    cluster: Cluster,
    leaving: Sequence[Instance],
    holder: str = "",
    deadline: float = DRAIN_DEADLINE,
) -> None:
    """Remove exactly these machines, and let the others know. Arguments: as `remove_nodes`."""
    cluster = reach(steps, cluster.at(cluster.ssh_endpoints()))
    remove_nodes(steps, cluster, leaving, holder, deadline)
    failures = Failures(cluster.name)
    distribute_roster(steps, cluster, failures, [machine.id for machine in leaving])
    failures.check()


def remove_nodes(
    steps: Steps,
    cluster: Cluster,
    leaving: Sequence[Instance],
    holder: str = "",
    deadline: float = DRAIN_DEADLINE,
) -> None:
    """Empty and remove exactly these machines, one after the other; broken ones are not emptied.

    Evicted pods find a place in between. A node whose machine cannot be removed is uncordoned, and
    the run ends there.

    Args:
        holder: the evaluator that made the decision, if there is one.
        deadline: seconds for a node's pods to leave.
    """
    standings = read_standings(cluster, leaving)
    for machine in leaving:
        node, broken = cluster.node_name(machine), standings[machine.id].fault or ""
        with uncordoned_on_failure(steps, cluster, machine):
            steps.run(drain_node, cluster, machine, holder, deadline, broken)
            if not broken:
                steps.run(detach_volumes, cluster, machine)
            steps.run(remove_backends, cluster, machine, cluster.inventory())
            run_hooks_of_removed(steps, cluster, machine, broken)
            steps.run(remove_machine, cluster, machine, broken)
        steps.run(delete_node, cluster, node)


@contextmanager
def uncordoned_on_failure(steps: Steps, cluster: Cluster, machine: Instance) -> Iterator[None]:
    """Uncordon the node when the block fails."""
    try:
        yield
    except BaseException:
        with suppress(
            ClusterError
        ):  # the step reports it; the reason of the failed removal is raised
            steps.run(uncordon, cluster, machine)
        raise

"""The runbooks of further masters: they join one after the other, and leave one after the other.

Before each step etcd must have its quorum, and keep it afterwards; else the step is refused.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from domain.cloud.endpoints import endpoints_of
from domain.cloud.inventory import control_plane
from domain.cloud.records import Instance
from domain.kernel.errors import FinalError
from domain.kernel.names import MASTERS
from domain.node.drain import DRAIN_DEADLINE
from domain.node.serving import find_off
from domain.secrets.pki import make_bootstrap_token, make_certificate_key
from flows.runbooks.hooks import run_hooks_of_added, run_hooks_of_removed
from flows.runbooks.nodes import Failures, distribute_roster
from flows.runbooks.reaching import reach
from flows.runbooks.scale import uncordoned_on_failure
from tasks.cluster import Cluster
from tasks.control_plane import answers, ready_nodes, store_spec
from tasks.executors import Running, Steps
from tasks.machines import (
    delete_old_tokens,
    delete_token,
    ensure_keypair,
    launch,
    mark_nodes,
    publish_token,
    wait_until_ready,
)
from tasks.masters import (
    check_leaving,
    check_members,
    forget_keys,
    forget_lost_members,
    join_master,
    leave_etcd,
    move_jump_host,
    needs_another_jump_host,
    prepare_master,
    serving_masters,
    share_keys,
    switched_off,
)
from tasks.network import ensure_machine_group, ensure_routes, ensure_vxnets, tag_resources
from tasks.overview import check_spec
from tasks.scaling import (
    delete_lost_nodes,
    delete_node,
    drain_node,
    remove_machine,
)
from tasks.standings import read_standings

Preparing = dict[Instance, Running[Instance]]
"""Further masters on which everything is installed that needs no other master yet."""


def prepare_masters(steps: Steps, cluster: Cluster, masters: Sequence[Instance]) -> Preparing:
    """Start the installation of further masters, beside everything else."""
    return {master: steps.start(prepare_master, cluster, master) for master in masters}


@dataclass(frozen=True)
class Joining:
    """Masters on their way into the control plane, each with its last step."""

    ready: dict[Instance, Running[object]]

    def collect(self, failures: Failures) -> tuple[Instance, ...]:
        """Wait for all of them. Returns: those that have joined."""
        for master, running in self.ready.items():
            failures.collect(master, (running.result,))
        return tuple(one for one in self.ready if one.id not in failures.errors)


@contextmanager
def joining_masters(
    steps: Steps, cluster: Cluster, via: Instance, preparing: Preparing, failures: Failures
) -> Iterator[Joining]:
    """Let masters join one after the other, beside what the block does.

    The keys that they share are encrypted with a key of this run; both, and the join token, are
    deleted at the end of the block.

    Args:
        via: a master that serves.
        failures: gets the masters that could not be prepared; the others join.
    """
    for master, prepared in preparing.items():
        failures.collect(master, (prepared.result,))
    done = {one: prepared for one, prepared in preparing.items() if one.id not in failures.errors}
    able = [prepared.result() for prepared in done.values()]  # which have an address by now
    if not able:
        yield Joining({})
        return
    token, key = make_bootstrap_token(), make_certificate_key()
    try:
        steps.run(forget_lost_members, cluster, via)
        steps.run(publish_token, cluster, token)
        steps.run(share_keys, cluster, via, key)
        ready: dict[Instance, Running[object]] = {}
        before: Running[object] = next(iter(done.values()))
        for master in able:
            joined = steps.start_after(before, join_master, cluster, master, via, token, key)
            is_ready = steps.start_after(joined, wait_until_ready, cluster, master)
            before = ready[master] = is_ready
        yield Joining(ready)
    finally:
        steps.run(forget_keys, cluster)
        steps.run(delete_token, cluster, token)


def check_quorum(steps: Steps, cluster: Cluster) -> None:
    """Refuse, before a machine is bought for it, a master that could not join.

    Raises:
        QuorumAtRisk: names the members of etcd that do not answer.
    """
    if len(cluster.inventory().masters) < cluster.spec.masters.count and answers(cluster):
        cluster = reach(steps, cluster.at(cluster.ssh_endpoints()))
        steps.run(check_members, cluster, serving_masters(cluster)[0])


def scale_masters(steps: Steps, cluster: Cluster, leaving: Sequence[Instance]) -> None:
    """Give a cluster its wanted number of masters, which is stored first.

    Args:
        leaving: the masters to remove; without any, missing ones are added.
    """
    if not leaving:
        check_quorum(steps, cluster)
    steps.run(store_spec, cluster)
    if leaving:
        cluster = reach(steps, cluster.at(cluster.ssh_endpoints()))
        remove_masters(steps, cluster, leaving)
        steps.run(delete_lost_nodes, cluster)  # of a run that was cut off
        failures = Failures(cluster.name)
        distribute_roster(steps, cluster, failures, [machine.id for machine in leaving])
        failures.check()
    else:
        add_masters(steps, cluster)


def add_masters(steps: Steps, cluster: Cluster) -> None:
    """Launch, install and join missing masters of a living cluster, and finish unfinished ones."""
    choices = steps.run(check_spec, cluster)
    cluster.check_not_ending()
    keypair = steps.run(ensure_keypair, cluster)
    security_group = steps.run(ensure_machine_group, cluster)
    seen = cluster.inventory()
    assert seen.vpc is not None
    assert seen.balancer is not None
    vxnets = steps.run(ensure_vxnets, cluster, seen.vpc)
    image = choices.images[MASTERS]
    launched = steps.run(launch, cluster, MASTERS, image, vxnets, keypair, security_group)
    masters = control_plane(launched, seen.backends, cluster.spec.masters.count)
    cluster = reach(steps, cluster.at(cluster.endpoints(), choices.login_users))
    steps.run(delete_lost_nodes, cluster)
    steps.run(delete_old_tokens, cluster)
    steps.run(mark_nodes, cluster)
    failures = Failures(cluster.name)
    ready = ready_nodes(cluster)
    finished = [one for one in masters if cluster.node_name(one) in ready and not find_off(one)]
    if not finished:
        raise FinalError(f"no master of cluster {cluster.name} is Ready, so that none can join")
    new = [one for one in masters if one not in finished]
    for master in new:
        if find_off(master):
            failures.errors[master.id] = switched_off(master, cluster.name)
    joined = finish_masters(steps, cluster, finished[0], new, failures)
    steps.run(ensure_routes, cluster, seen.balancer, (*finished, *joined))
    steps.run(tag_resources, cluster)
    distribute_roster(steps, cluster, failures)
    run_hooks_of_added(steps, cluster)
    failures.check()


def finish_masters(
    steps: Steps, cluster: Cluster, via: Instance, new: Sequence[Instance], failures: Failures
) -> tuple[Instance, ...]:
    """Install and join these masters. Returns: those that have joined."""
    able = [one for one in new if one.id not in failures.errors]
    preparing = prepare_masters(steps, cluster, able)
    with joining_masters(steps, cluster, via, preparing, failures) as joining:
        return joining.collect(failures)


def remove_masters(
    steps: Steps,
    cluster: Cluster,
    leaving: Sequence[Instance],
    deadline: float = DRAIN_DEADLINE,
) -> None:
    """Remove exactly these masters, one after the other.

    Each is emptied, taken out of the load balancer, then out of etcd, and only then terminated.

    Raises:
        QuorumAtRisk: without the next one etcd would have no quorum; it stays.
    """
    standings = read_standings(cluster, leaving)
    going = {one.id for one in leaving}
    via = next((one for one in serving_masters(cluster) if one.id not in going), None)
    if via is None:
        raise FinalError(
            f"no other master of cluster {cluster.name} serves, so that none can leave"
        )
    if needs_another_jump_host(cluster, [via]):
        steps.run(move_jump_host, cluster, via)
        cluster = cluster.at(endpoints_of(cluster.inventory()), cluster.ssh_endpoints().users)
    for machine in leaving:
        broken = standings[machine.id].fault or ""
        steps.run(check_leaving, cluster, machine, via)
        with uncordoned_on_failure(steps, cluster, machine):
            steps.run(drain_node, cluster, machine, "", deadline, broken)
            run_hooks_of_removed(steps, cluster, machine, broken)
            leave_balancer(steps, cluster, machine)
            steps.run(leave_etcd, cluster, machine, via)
            steps.run(remove_machine, cluster, machine, broken)
        steps.run(delete_node, cluster, cluster.node_name(machine))


def balance_masters(steps: Steps, cluster: Cluster) -> None:
    """Let the load balancer lead to all masters that have joined."""
    seen = cluster.inventory()
    if seen.balancer is None or len(seen.masters) < 2:
        return
    ready, behind = ready_nodes(cluster), {backend.instance_id for backend in seen.backends}
    joined = [one for one in seen.masters if cluster.node_name(one) in ready or one.id in behind]
    steps.run(ensure_routes, cluster, seen.balancer, tuple(joined))


def leave_balancer(steps: Steps, cluster: Cluster, leaving: Instance) -> None:
    """Let the load balancer lead to the other masters only."""
    seen = cluster.inventory()
    assert seen.balancer is not None
    behind = {backend.instance_id for backend in seen.backends} - {leaving.id}
    staying = tuple(one for one in seen.masters if one.id in behind)
    steps.run(ensure_routes, cluster, seen.balancer, staying)

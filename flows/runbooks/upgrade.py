"""The runbook that brings a cluster to another version of Kubernetes."""

from collections.abc import Sequence
from contextlib import suppress

from domain.cloud.records import Instance
from domain.kernel.errors import ClusterError, MachinesFailed
from domain.node.health import Health, read_health
from flows.runbooks.nodes import Failures
from flows.runbooks.rollout import replace_machines
from tasks.cluster import Cluster
from tasks.control_plane import store_spec, wait_for_apiserver
from tasks.etcd import snapshot_etcd
from tasks.executors import Steps
from tasks.machines import wait_until_ready
from tasks.rollouts import check_health
from tasks.scaling import drain_node, uncordon
from tasks.upgrades import (
    GroupUpgrade,
    Upgrade,
    batches,
    can_be_emptied,
    prepare_upgrade,
    upgrade_machine,
)


def upgrade(steps: Steps, planned: Upgrade) -> None:
    """Upgrade a cluster: a snapshot of etcd, the masters one by one, then the nodes.

    The description is stored between the masters and the nodes: a machine that joins before has the
    old version, and one that joins afterwards the new one, which no API server is older than.

    Raises:
        FinalError: the cluster is not well after a step; what was upgraded stays so.
        MachinesFailed: some nodes were not upgraded.
    """
    cluster = planned.cluster.at(planned.cluster.ssh_endpoints())
    before = read_health(cluster.api())
    if planned.masters:
        steps.run(snapshot_etcd, cluster, planned.masters[0], planned.before)
        prepared = [steps.start(prepare_upgrade, cluster, one) for one in planned.masters]
        for each in prepared:
            each.result()
    for number, master in enumerate(planned.masters, 1):
        upgrade_master(steps, cluster, master)
        done = f"{number} of {len(planned.masters)} masters"
        steps.run(check_health, cluster, before, done)
    steps.run(store_spec, cluster)
    for group in planned.groups:
        upgrade_nodes(steps, cluster, group, planned.share, before)
    for rollout in planned.rollouts.groups if planned.rollouts else ():
        replace_machines(steps, cluster, rollout, planned.share, before)
    for machine in planned.cordoned:
        steps.run(uncordon, cluster, machine)


def upgrade_master(steps: Steps, cluster: Cluster, master: Instance) -> None:
    """Upgrade one master; it is emptied first where another one can take its pods."""
    if can_be_emptied(cluster, master):
        steps.run(drain_node, cluster, master)
    steps.run(upgrade_machine, cluster, master)
    steps.run(wait_for_apiserver, cluster)
    steps.run(wait_until_ready, cluster, master)
    steps.run(uncordon, cluster, master)


def upgrade_nodes(
    steps: Steps, cluster: Cluster, group: GroupUpgrade, share: int, before: Health
) -> None:
    """Upgrade nodes of one group in place: a canary, then a share at a time.

    The packages come first; then each node is emptied within the budgets, upgraded, and takes pods
    again. One that fails holds up the others of its batch not, and ends the run after them.
    """
    left = len(group.machines)
    for batch in batches(group, share):
        failures = Failures(cluster.name)
        left -= len(batch)
        running = []
        for node in batch:
            prepared = steps.start(prepare_upgrade, cluster, node)
            emptied = steps.start_after(prepared, drain_node, cluster, node)
            done = steps.start_after(emptied, upgrade_machine, cluster, node)
            ready = steps.start_after(done, wait_until_ready, cluster, node)
            taken = steps.start_after(ready, uncordon, cluster, node)
            running.append((node, (prepared, emptied, done, ready, taken)))
        for node, results in running:
            failures.collect(node, [one.result for one in results])
        check_upgraded(steps, cluster, batch, failures)
        steps.run(check_health, cluster, before, f"{len(batch)} in {group.group}, {left} left")


def check_upgraded(
    steps: Steps, cluster: Cluster, batch: Sequence[Instance], failures: Failures
) -> None:
    """Let the nodes of a batch that failed take pods again, and raise their errors."""
    failed = [node for node in batch if node.id in failures.errors]
    for node in failed:
        with suppress(ClusterError):  # the step reports it; the reason of the failure is raised
            steps.run(uncordon, cluster, node)
    if len(failed) == 1:
        raise failures.errors[failed[0].id]
    if failed:
        named = "; ".join(f"{machine}: {error}" for machine, error in failures.errors.items())
        raise MachinesFailed(
            f"{len(failed)} nodes of cluster {cluster.name} were not upgraded ({named}); "
            "run the same command again to go on"
        )

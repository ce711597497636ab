"""The runbook that replaces the machines of a group by new ones, without losing pods."""

from contextlib import AbstractContextManager, nullcontext

from domain.node.batches import next_batch
from domain.node.health import Health, read_health
from flows.runbooks.nodes import Failures, distribute_roster
from flows.runbooks.scale import scale_in, scale_out
from tasks.cluster import Cluster
from tasks.executors import Steps
from tasks.machines import mark_nodes
from tasks.network import tag_resources
from tasks.rollouts import GroupRollout, Rollouts, check_health, with_size
from tasks.scaling import delete_lost_nodes
from tasks.scalings import recorded_scaling


def roll_out(steps: Steps, rollouts: Rollouts) -> None:
    """Bring changed templates to their machines, and finish what a run has left.

    Labels and taints change in place; machines that are new already stay.

    Raises:
        FinalError: a new machine did not become a node, or the cluster is not well after a step;
            the machines that are left stay as they are.
    """
    cluster = rollouts.found.cluster
    before = read_health(cluster.api())
    for one in rollouts.groups:
        with _recorded(cluster, one):
            replace_machines(steps, cluster, one, rollouts.share, before)
    steps.run(delete_lost_nodes, cluster)
    steps.run(mark_nodes, cluster)
    steps.run(tag_resources, cluster)
    failures = Failures(cluster.name)
    distribute_roster(steps, cluster.at(cluster.ssh_endpoints()), failures)
    failures.check()


def _recorded(cluster: Cluster, planned: GroupRollout) -> AbstractContextManager[None]:
    if not planned.leaving:
        return nullcontext()
    why = f"{len(planned.leaving)} differ from the template"
    size = planned.size
    return recorded_scaling(cluster, planned.group, "rollout", why, before=size, wanted=size)


def replace_machines(
    steps: Steps, cluster: Cluster, rollout: GroupRollout, share: int, before: Health
) -> None:
    """Replace machines of one group: a canary, then a share at a time.

    New machines come first, so that the pods of the old ones have room.

    Args:
        share: of the group at a time, in percent.
        before: what was not well before the first step.
    """
    group, left, has_new = rollout.group, rollout.leaving, rollout.has_new
    while left:
        count = next_batch(len(left), rollout.size, share, is_canary=not has_new)
        leaving, left = left[:count], left[count:]
        scale_out(steps, with_size(cluster, group, rollout.size + count), group, only_new=True)
        steps.run(check_health, cluster, before, f"{count} new in {group}, {len(left)} left")
        scale_in(steps, cluster, leaving)
        steps.run(check_health, cluster, before, f"{count} gone from {group}, {len(left)} left")
        has_new = True

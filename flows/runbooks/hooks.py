"""Life-cycle hooks in the runbooks that add and remove machines."""

from domain.cloud.records import Instance
from domain.spec.hooks import Moment
from tasks.cluster import Cluster
from tasks.executors import Steps
from tasks.hooks import find_due, run_hook


def run_hooks_of_added(steps: Steps, cluster: Cluster) -> None:
    """Run the hooks of machines that have joined, also of those that an earlier run has added.

    Raises:
        ScriptFailed: one failed whose policy is to stop; the same run again continues with it.
    """
    hooks = cluster.spec.hooks
    if not any(hook.when is Moment.ADDED for hook in hooks):
        return
    seen = cluster.machines()
    machines = [(seen.group_of(one), one) for one in seen.instances]
    for due in tuple(find_due(hooks, cluster.api().list_nodes(), machines)):
        steps.run(run_hook, cluster, due.hook, due.machine)


def run_hooks_of_removed(
    steps: Steps, cluster: Cluster, machine: Instance, broken: str = ""
) -> None:
    """Run the hooks of a machine that is about to be terminated. Raises as the other does."""
    group = cluster.group_of(machine)
    for hook in cluster.spec.hooks:
        if hook.when is Moment.REMOVED and hook.group == group:
            steps.run(run_hook, cluster, hook, machine, broken)

"""Bringing machines into a cluster as nodes, each by itself; shared by `provision` and `scale`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from domain.cloud.records import Instance
from domain.kernel.errors import ClusterError, MachinesFailed
from domain.node.f2cadm import roster_of
from domain.node.serving import find_off
from domain.secrets.pki import make_bootstrap_token
from tasks.cluster import Cluster
from tasks.executors import Running, Steps
from tasks.machines import (
    delete_token,
    install_node,
    join_node,
    lacking_roster,
    publish_token,
    wait_until_ready,
    write_f2cadm,
)
from tasks.teardown import remove_machines, remove_surplus

MOST_AT_ONCE = 128
"""Steps at the same time. Most of them wait, for a machine or its mirror; all share one login to
the jump host."""

Installing = Mapping[Instance, Running[Instance]]


@dataclass
class Failures:
    """Machines that did not become nodes, with the reason; the others continue."""

    cluster: str
    errors: dict[str, ClusterError] = field(default_factory=dict)

    def collect(self, machine: Instance, results: Iterable[Callable[[], object]]) -> None:
        """Wait for the steps of one machine, in their order, and keep the first error."""
        try:
            for result in results:
                result()
        except ClusterError as error:
            self.errors.setdefault(machine.id, error)

    def spare_any_of(self, machines: Sequence[Instance]) -> bool:
        """Whether at least one of these machines has not failed."""
        return any(machine.id not in self.errors for machine in machines)

    def check(self) -> None:
        """Raise the error of the machine that failed, or one that names all of them."""
        errors = list(self.errors.values())
        if len({str(error) for error in errors}) == 1:
            raise errors[0]
        if errors:
            named = "; ".join(f"{machine}: {error}" for machine, error in self.errors.items())
            raise MachinesFailed(
                f"{len(errors)} machines of cluster {self.cluster} did not become nodes ({named}); "
                "everything else is done. Run the same command again, or remove them with: "
                f"python -m flows.scale --name {self.cluster}"
            )


def install_nodes(steps: Steps, cluster: Cluster, nodes: Sequence[Instance]) -> Installing:
    """Start the installation of everything that needs no master, on several machines at a time."""
    return {node: steps.start(install_node, cluster, node) for node in nodes}


def join_nodes(
    steps: Steps, cluster: Cluster, installing: Installing, failures: Failures | None = None
) -> Failures:
    """Join each machine as soon as it is installed, and wait until it is Ready.

    The machines share a join token of this run, which is deleted afterwards, also after failures.

    Args:
        failures: of other machines, which those of these are added to.
    """
    failures = failures or Failures(cluster.name)
    if not installing:
        return failures
    token = make_bootstrap_token()
    try:
        steps.run(publish_token, cluster, token)
        joining = {
            node: steps.start_after(installed, join_node, cluster, node, token)
            for node, installed in installing.items()
        }
        ready = {
            node: steps.start_after(joined, wait_until_ready, cluster, node)
            for node, joined in joining.items()
        }
        for node, installed in installing.items():
            failures.collect(node, (installed.result, joining[node].result, ready[node].result))
    finally:
        steps.run(delete_token, cluster, token)
    return failures


def distribute_roster(
    steps: Steps, cluster: Cluster, failures: Failures, leaving: Sequence[str] = ()
) -> None:
    """Upload the table of all machines, which `f2cadm` reads, to every machine that lacks it.

    Args:
        failures: of machines that cannot be reached.
        leaving: ids of machines that are left out of the table.
    """
    roster = roster_of(cluster.inventory(), leaving)
    lacking = lacking_roster(cluster, roster)
    # Kubernetes calls the node of a machine that was switched off Ready for another 40 s.
    reached = [one for one in lacking if one.id not in failures.errors and not find_off(one)]
    running = [(one, steps.start(write_f2cadm, cluster, one, roster)) for one in reached]
    for machine, written in running:
        failures.collect(machine, (written.result,))


def remove_unneeded(steps: Steps, cluster: Cluster, needed: Sequence[Instance]) -> None:
    """Delete what a call that acted late has made twice, now that one of each is in use.

    Args:
        needed: the machines that this run wanted.
    """
    seen = cluster.inventory()
    if machines := seen.unneeded(needed):
        steps.run(remove_machines, cluster, machines)
    if seen.surplus:
        steps.run(remove_surplus, cluster, seen)

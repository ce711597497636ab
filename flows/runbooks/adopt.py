"""The runbooks of machines that existed before: they become nodes, and are released again."""

from contextlib import suppress

from domain.cloud.records import Instance
from domain.kernel.errors import ClusterError
from domain.node.install import ADOPTED_LABEL
from domain.secrets.pki import make_bootstrap_token
from flows.runbooks.reaching import reach
from tasks.adoption import (
    Adoption,
    forget_adopted,
    log_in_to_adopted,
    reaching,
    reset_adopted,
    uncordon_adopted,
)
from tasks.cluster import Cluster
from tasks.executors import Steps
from tasks.machines import (
    delete_old_tokens,
    delete_token,
    install_node,
    join_node,
    publish_token,
    wait_until_ready,
)
from tasks.scaling import delete_node, detach_volumes, drain_node


def adopt_machine(steps: Steps, cluster: Cluster, adoption: Adoption) -> None:
    """Make a machine a node of its group. No call of the cloud changes anything."""
    machine = adoption.machine
    cluster = reaching(reach(steps, cluster), machine)
    steps.run(log_in_to_adopted, cluster, adoption)
    steps.run(delete_old_tokens, cluster)
    steps.run(install_node, cluster, machine, ADOPTED_LABEL)
    token = make_bootstrap_token()
    try:
        steps.run(publish_token, cluster, token)
        steps.run(join_node, cluster, machine, token, ADOPTED_LABEL)
    finally:
        steps.run(delete_token, cluster, token)
    steps.run(wait_until_ready, cluster, machine)


def release_machine(steps: Steps, cluster: Cluster, machine: Instance, broken: str) -> None:
    """Empty the node, and take Kubernetes off the machine, which stays.

    The node is deleted before its machine's key is forgotten, so that a run that was cut off finds
    both and continues.

    Args:
        broken: why the machine cannot be emptied, if so.
    """
    cluster = reaching(reach(steps, cluster), machine)
    try:
        steps.run(drain_node, cluster, machine, "", broken=broken)
    except ClusterError:
        with suppress(ClusterError):  # the step reports it; the reason of the failure is raised
            steps.run(uncordon_adopted, cluster, machine)
        raise
    if not broken:
        steps.run(detach_volumes, cluster, machine)
    steps.run(reset_adopted, cluster, machine, broken)
    steps.run(delete_node, cluster, cluster.node_name(machine))
    steps.run(forget_adopted, cluster, machine)

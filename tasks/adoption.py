"""Steps for machines that existed before they became nodes, and that stay when released."""

from dataclasses import dataclass, replace

from domain.cloud import images
from domain.cloud.inventory import Machines
from domain.cloud.records import Instance
from domain.kernel.ensured import Ensured
from domain.kernel.errors import HostKeyMismatch, InvalidSpec, NotFound, WaitTimedOut
from domain.kernel.names import NODES
from domain.node import drain
from domain.node.adoption import as_member, check_adoptable, find_adopted
from domain.node.install import GROUP_LABEL
from domain.node.serving import find_off
from domain.secrets.hostkeys import parse_host_key
from tasks.cluster import Cluster
from tasks.shells import open_shell, pin_present_host_key
from tasks.steps import step

RESET_DEADLINE = 300.0
"""Seconds: kubeadm stops and removes all containers."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """A machine that is to become a node, as its group's steps take it."""

    machine: Instance
    group: str
    host_key: str = ""


def plan_adoption(cluster: Cluster, machine_id: str, group: str, host_key: str = "") -> Adoption:
    """Check everything that can be checked before the machine is touched: reads only.

    Raises:
        InvalidSpec: there is no such group or machine, it cannot become a node, its image is not
            supported, or the host key is none.
    """
    cluster.spec.nodes_of(group)
    host_key = _check_trust(cluster, machine_id, host_key)
    machine = _read_machine(cluster, machine_id)
    adopted = find_adopted(cluster.api().list_nodes())
    check_adoptable(machine, group, cluster.inventory(), adopted.values())
    image = cluster.cloud.known.find_image(machine.image_id)
    if image is not None and image.os_family:
        images.check_system(image)
    return Adoption(as_member(machine, cluster.name, group), group, host_key)


def find_released(cluster: Cluster, machine_id: str) -> tuple[Instance, str]:
    """The machine of an adopted node as its group's steps take it, and why it is not emptied.

    A machine whose node an interrupted release has deleted is found by its host key.

    Raises:
        InvalidSpec: no node of the cluster is an adopted machine of this id, or it does not exist
            any more.
    """
    node = find_adopted(cluster.api().list_nodes()).get(machine_id)
    if node is None:
        return _find_half_released(cluster, machine_id), "its node is deleted already"
    found = [one for one in cluster.cloud.read_instances([machine_id]) if one.is_alive]
    if not found:
        raise InvalidSpec(
            f"machine {machine_id} does not exist any more; delete its node with: kubectl delete "
            f"node {node.name}"
        )
    machine = found[0]
    fault = find_off(machine)
    why = str(fault) if fault else "" if node.ready else "its node is NotReady"
    return as_member(machine, cluster.name, node.labels[GROUP_LABEL]), why


def _find_half_released(cluster: Cluster, machine_id: str) -> Instance:
    own = {one.id for one in cluster.machines().instances}
    if machine_id in own or machine_id not in cluster.credentials().host_keys:
        raise InvalidSpec(
            f"no node of cluster {cluster.name} is the adopted machine {machine_id}; machines that "
            "we created are removed with: flows.scale --remove"
        )
    return as_member(_read_machine(cluster, machine_id), cluster.name, NODES)


def reaching(cluster: Cluster, machine: Instance) -> Cluster:
    """The handle that logs in to a machine as the user of its own image, not of its group's."""
    users = images.login_users(cluster.cloud, Machines(cluster.name, (machine,)))
    known = cluster.ssh_endpoints()
    return cluster.at(replace(known, users={**(known.users or {}), **users}))


@step("first login to {adoption.machine.id}")
def log_in_to_adopted(cluster: Cluster, adoption: Adoption) -> Ensured[str]:
    """Pin the machine's host key, which stays as it is.

    Raises:
        InvalidSpec: it does not let the cluster's key in; the message says what to add.
    """
    machine = adoption.machine
    if known := cluster.credentials().host_keys.get(machine.id):
        return Ensured(known, "host key known")
    try:
        return Ensured(pin_present_host_key(cluster, machine, adoption.host_key), "host key pinned")
    except WaitTimedOut as error:
        key = cluster.credentials().ssh.public_key
        raise InvalidSpec(
            f"{error}. Let the cluster in first: attach its key pair to the machine in the "
            f"console, or add this line to its ~/.ssh/authorized_keys: {key}"
        ) from error


@step("kubeadm reset on {machine.id}")
def reset_adopted(cluster: Cluster, machine: Instance, broken: str = "") -> Ensured[None]:
    """Take Kubernetes' state off a machine that stays; its packages stay, too."""
    if broken:
        return Ensured(None, f"{broken}; run kubeadm reset -f on it before it is used again")
    with open_shell(cluster, machine) as shell:
        done = shell.run(["kubeadm", "reset", "--force"], deadline=RESET_DEADLINE)
    if done.exit_code:
        last = done.stderr.strip().rpartition("\n")[2]
        return Ensured(None, f"kubeadm reset failed ({last}); run it again on the machine")
    return Ensured(None, "done")


@step("host key of {machine.id}")
def forget_adopted(cluster: Cluster, machine: Instance) -> Ensured[None]:
    cluster.update_credentials(lambda now: now.without(machine.id))
    return Ensured(None, "forgotten")


@step("uncordoning of {machine.id}")
def uncordon_adopted(cluster: Cluster, machine: Instance) -> Ensured[None]:
    """Let pods on the node again, because it could not be emptied."""
    node = cluster.node_name(machine)
    try:
        drain.uncordon(cluster.api(), node)
    except NotFound:
        return Ensured(None, f"{node} is not a node")
    return Ensured(None, f"{node} accepts pods again")


def _check_trust(cluster: Cluster, machine_id: str, host_key: str) -> str:
    """Refuse a login to a machine that nothing proves. Returns: the given key, if any."""
    if host_key:
        try:
            return parse_host_key(host_key)
        except HostKeyMismatch as error:
            raise InvalidSpec(f"--host-key: {error}") from error
    if not (cluster.accept_new_host_keys or machine_id in cluster.credentials().host_keys):
        raise InvalidSpec(
            "give the machine's host key, as /etc/ssh/ssh_host_ed25519_key.pub on it shows it, as "
            "--host-key, or --accept-new-host-key to accept the one that answers first"
        )
    return ""


def _read_machine(cluster: Cluster, machine_id: str) -> Instance:
    found = [one for one in cluster.cloud.read_instances([machine_id]) if one.is_alive]
    if not found:
        raise InvalidSpec(
            f"there is no machine {machine_id} in zone {cluster.cloud.zone} of this account; look "
            "for its id in QingCloud's console"
        )
    return found[0]

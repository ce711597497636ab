"""A node or an empty machine with its free resources, and why a pod does not fit on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from domain.autoscaling.see.placement import HOSTNAME, HostPort, Taint
from domain.autoscaling.see.snapshot import Resources, SeenNode, SeenPod, Template
from domain.autoscaling.see.templates import machine_labels

CORDONED = Taint("node.kubernetes.io/unschedulable")
"""The taint of a node that was closed by `kubectl cordon`."""


class Misfit(StrEnum):
    """Why a pod cannot run on a node."""

    PLACES = "no place for one more pod"
    CPU = "not enough cpu"
    MEMORY = "not enough memory"
    OTHER = "not enough of another resource"
    PORT = "its host port is taken"
    LABELS = "its node selector or affinity requires other labels"
    TAINTS = "it does not tolerate the node's taints"
    NEIGHBOURS = "its affinity to other pods does not allow it"
    SPREAD = "its spread constraints do not allow it"


@dataclass(slots=True, eq=False)  # two empty machines are not the same
class Place:
    """A node or an empty machine, with its free resources.

    These may be negative; a pod without requests fits all the same.

    Args:
        is_node: it exists and is Ready.
    """

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    cpu: int
    memory: int
    places: int
    others: dict[str, int] = field(default_factory=dict)
    ports: list[HostPort] = field(default_factory=list)
    residents: list[SeenPod] = field(default_factory=list)
    is_open: bool = True
    is_node: bool = False

    def domain(self, topology: str) -> str | None:
        """The value of a topology label, or None where it is missing."""
        # kubelet sets this label to the node's name.
        return self.name if topology == HOSTNAME else self.labels.get(topology)

    def change(self, pod: SeenPod, sign: int) -> None:
        """Take a pod in (1) or out (-1)."""
        self.cpu -= sign * pod.requests.cpu_millis
        self.memory -= sign * pod.requests.memory_bytes
        self.places -= sign
        for name, amount in pod.requests.others:
            self.others[name] = self.others.get(name, 0) - sign * amount
        if sign > 0:
            self.ports.extend(pod.placement.host_ports)
            self.residents.append(pod)
        else:
            for port in pod.placement.host_ports:
                self.ports.remove(port)
            self.residents.remove(pod)

    def admits(self, pod: SeenPod) -> Misfit | None:
        """Why labels or taints exclude a pod, whatever pods run here; None where they admit it."""
        if not pod.placement.accepts_labels(self.labels):
            return Misfit.LABELS
        if self.taints and not pod.placement.tolerates(self.taints):
            return Misfit.TAINTS
        return None

    def lacks(self, pod: SeenPod) -> Misfit | None:
        """The resource that is missing for a pod, or None."""
        wanted = pod.requests
        if self.places < 1:
            return Misfit.PLACES
        if wanted.cpu_millis > max(self.cpu, 0):
            return Misfit.CPU
        if wanted.memory_bytes > max(self.memory, 0):
            return Misfit.MEMORY
        if any(amount > max(self.others.get(name, 0), 0) for name, amount in wanted.others):
            return Misfit.OTHER
        if any(port.clashes(one) for port in pod.placement.host_ports for one in self.ports):
            return Misfit.PORT
        return None

    def count_that_fit(self, pod: SeenPod) -> int:
        """How many pods like this one fit, by resources alone."""
        room = self.places
        if pod.requests.cpu_millis:
            room = min(room, self.cpu // pod.requests.cpu_millis)
        if pod.requests.memory_bytes:
            room = min(room, self.memory // pod.requests.memory_bytes)
        for name, amount in pod.requests.others:
            if amount:
                room = min(room, self.others.get(name, 0) // amount)
        return max(room, 0)


def place_of_node(node: SeenNode) -> Place:
    """The free resources of a node beside its pods."""
    taints = node.taints if node.schedulable else (*node.taints, CORDONED)
    place = _empty(node.name, node.labels, taints, node.allocatable, node.places)
    place.is_node = True
    for pod in node.pods:
        place.change(pod, 1)
    return place


def empty_place_of_node(node: SeenNode) -> Place:
    """A node as if it ran none of its workload pods."""
    return place_of_node(replace(node, pods=[pod for pod in node.pods if not pod.is_workload]))


def place_of_template(template: Template, places: int, name: str) -> Place:
    """A new machine of a template with the pods of its DaemonSets.

    Args:
        places: for workload pods; the daemons may leave fewer.
    """
    labels = machine_labels(template, name)
    most = min(template.places, places + len(template.daemons))
    place = _empty(name, labels, template.taints, template.allocatable, most)
    for pod in template.daemons:
        place.change(pod, 1)
    return place


def _empty(
    name: str, labels: Mapping[str, str], taints: tuple[Taint, ...], has: Resources, places: int
) -> Place:
    cpu, memory = has.cpu_millis, has.memory_bytes
    return Place(name, labels, taints, cpu, memory, places, dict(has.others))

"""The requirements of a pod for its node, and whether a node's labels and taints meet them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

HOSTNAME = "kubernetes.io/hostname"
NAMESPACE_NAME = "kubernetes.io/metadata.name"


class Operator(StrEnum):
    """The operators of `matchExpressions`."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    ABOVE = "Gt"
    BELOW = "Lt"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on labels; an entry of a `nodeSelector` is `In` with one value."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None
            case Operator.ABOVE:
                return _difference(value, self.values) > 0
            case Operator.BELOW:
                return _difference(value, self.values) < 0


@dataclass(frozen=True, slots=True)
class Taint:
    """A node's taint; `effect` is `NoSchedule`, `PreferNoSchedule` or `NoExecute`."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"


@dataclass(frozen=True, slots=True)
class Toleration:
    """A pod's toleration; an empty key with `Exists` matches every taint, an empty effect any."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def covers(self, taint: Taint) -> bool:
        if self.effect and self.effect != taint.effect:
            return False
        if self.operator == "Exists":
            return self.key in ("", taint.key)
        return self.key == taint.key and self.value == taint.value


@dataclass(frozen=True, slots=True)
class PodTerm:
    """A required (anti-)affinity to other pods, within nodes that share the `topology` label.

    Args:
        selector: None matches no pod, an empty one every pod.
        namespaces: by name; the pod's own where neither names nor labels are given.
        namespaces_like: further ones, by their labels. Only the label with the name is known here,
            which the API server gives to each namespace.
    """

    topology: str
    selector: tuple[Requirement, ...] | None
    namespaces: tuple[str, ...] = ()
    namespaces_like: tuple[Requirement, ...] | None = None

    def means(self, namespace: str, own: str) -> bool:
        """Whether pods of a namespace count for a pod of the namespace `own`."""
        if namespace in self.namespaces:
            return True
        if self.namespaces_like is None:
            return not self.namespaces and namespace == own
        labels = {NAMESPACE_NAME: namespace}
        return all(requirement.holds(labels) for requirement in self.namespaces_like)


@dataclass(frozen=True, slots=True)
class Spread:
    """Pods that must be spread evenly over domains (`topologySpreadConstraints`, `DoNotSchedule`).

    Args:
        topology: label of nodes; each of its values is a domain.
        most_skew: how many more pods a domain may have than the one with the fewest.
        selector: which pods of the pod's namespace count; an empty one matches none here.
        least_domains: while there are fewer, an empty domain counts in addition.
        honors_labels: nodes that the pod does not select are in no domain.
        honors_taints: nodes whose taints the pod does not tolerate are in no domain.
    """

    topology: str
    most_skew: int
    selector: tuple[Requirement, ...]
    least_domains: int = 1
    honors_labels: bool = True
    honors_taints: bool = False


ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - as Kubernetes writes it; nothing is bound here


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the node that a pod uses."""

    port: int
    protocol: str = "TCP"
    address: str = ANY_ADDRESS

    def clashes(self, other: "HostPort") -> bool:
        """Whether one node cannot give both."""
        if (self.port, self.protocol) != (other.port, other.protocol):
            return False
        return self.address == other.address or ANY_ADDRESS in (self.address, other.address)


@dataclass(frozen=True, slots=True)
class Placement:
    """All requirements of a pod for its node, beside resources.

    Pods of one controller share the record, which keeps a reading of 150,000 pods small.

    Args:
        all_of: node selector.
        any_of: terms of the required node affinity; one of them must hold, if there are any.
        together: required pod affinity.
        apart: required pod anti-affinity.
        spread: required even spread.
        host_ports: ports of the node.
    """

    all_of: tuple[Requirement, ...] = ()
    any_of: tuple[tuple[Requirement, ...], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    together: tuple[PodTerm, ...] = ()
    apart: tuple[PodTerm, ...] = ()
    spread: tuple[Spread, ...] = ()
    host_ports: tuple[HostPort, ...] = ()

    @property
    def depends_on_pods(self) -> bool:
        """Whether other pods decide where this one can run."""
        return bool(self.together or self.apart or self.spread or self.host_ports)

    def accepts_labels(self, labels: Mapping[str, str]) -> bool:
        if not all(requirement.holds(labels) for requirement in self.all_of):
            return False
        return not self.any_of or any(
            all(requirement.holds(labels) for requirement in term) for term in self.any_of
        )

    def tolerates(self, taints: Sequence[Taint]) -> bool:
        return all(
            any(toleration.covers(taint) for toleration in self.tolerations)
            for taint in taints
            if taint.effect != "PreferNoSchedule"
        )


ANYWHERE = Placement()


def _difference(value: str | None, limits: Sequence[str]) -> int:
    """A label minus the one limit; 0 where either is not a whole number, which the API allows."""
    try:
        (limit,) = limits
        return int(value or "") - int(limit)
    except ValueError:
        return 0

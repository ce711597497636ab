"""Facts about pods that controllers and kubelets share."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

Pod = dict[str, Any]

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
"""The two parts of each affinity: required and preferred."""

_UNITS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
    "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_QUANTITY = re.compile(
    r"([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i)?"
)


@lru_cache(maxsize=4096)
def parse_quantity(text: str | int | float) -> Decimal:
    """Read a quantity such as `250m`, `1.5` or `64Mi`.

    Raises:
        ValueError: it is invalid.
    """
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a quantity")
    return Decimal(match[1]) * _UNITS[match[2] or ""]


ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - nothing is bound here


class HostPort(NamedTuple):
    """A port of the node that a pod wants."""

    address: str
    protocol: str
    port: int

    def clashes(self, other: "HostPort") -> bool:
        """Return whether no node has both."""
        same = (self.protocol, self.port) == (other.protocol, other.port)
        addresses = {self.address, other.address}
        return same and (len(addresses) == 1 or ANY_ADDRESS in addresses)


@dataclass(frozen=True, slots=True)
class Demand:
    """The resources that a pod requests."""

    cpu: int  # thousandths of a core
    memory: int  # bytes
    ports: frozenset[HostPort]
    others: tuple[tuple[str, int], ...] = ()  # such as ("nvidia.com/gpu", 1)


def demand_of(spec: Mapping[str, Any]) -> Demand:
    """Add up what a pod requests of each resource.

    Init containers run before the others, one by one, but for those that are restarted for ever:
    they stay. Resources of the pod as a whole replace those of its containers.
    """
    total = sum((_requests(container) for container in spec.get("containers", ())), Counter())
    peak = Counter[str]()
    stay = Counter[str]()
    for container in spec.get("initContainers", ()):
        asked = _requests(container)
        if _stays(container):
            stay += asked
            asked = Counter()
        peak |= asked + stay
    total = (total + stay) | peak
    total = Counter({**total, **_requests(spec)})
    total += _requests({"resources": {"requests": spec.get("overhead") or {}}})
    running = [one for one in spec.get("initContainers", ()) if _stays(one)]
    running += spec.get("containers", ())
    ports = frozenset(
        HostPort(port.get("hostIP") or ANY_ADDRESS, port.get("protocol", "TCP"), port["hostPort"])
        for container in running
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )
    cpu, memory = total.pop("cpu", 0), total.pop("memory", 0)
    return Demand(cpu, memory, ports, tuple(sorted(total.items())))


def _stays(init_container: Mapping[str, Any]) -> bool:
    """Return whether an init container is a side-car."""
    return init_container.get("restartPolicy") == "Always"


def _requests(asking: Mapping[str, Any]) -> Counter[str]:
    """Return the requests of a container or a pod: thousandths of a core, else whole units."""
    resources = asking.get("resources") or {}
    # A limit without a request is the request, too.
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return Counter({name: amount_of(name, text) for name, text in asked.items()})


def amount_of(name: str, text: str | int | float) -> int:
    """Read an amount of a resource: of `cpu` in thousandths of a core, else in whole units."""
    return int(parse_quantity(text) * (1000 if name == "cpu" else 1))


def is_finished(pod: Pod) -> bool:
    """Return whether all containers have ended for good."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def is_leaving(pod: Pod) -> bool:
    """Return whether the pod is marked for deletion."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_active(pod: Pod) -> bool:
    """Return whether the pod counts as a replica of its controller."""
    return not is_finished(pod) and not is_leaving(pod)


def find_condition(obj: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return a condition of an object's status by its type."""
    for condition in obj.get("status", {}).get("conditions") or ():
        if condition.get("type") == name:
            found: dict[str, Any] = condition
            return found
    return None


def is_ready(pod: Pod) -> bool:
    """Return whether the pod's Ready condition is True."""
    condition = find_condition(pod, "Ready")
    return condition is not None and condition.get("status") == "True"


def controller_of(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the controller's owner reference of an object, or None."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            found: dict[str, Any] = reference
            return found
    return None


def controller_uid(obj: Mapping[str, Any]) -> str:
    """Return the uid of an object's controller, or None."""
    owner = controller_of(obj)
    return owner["uid"] if owner else ""


def tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Mapping[str, Any]) -> bool:
    """Return whether one of the tolerations covers a taint."""
    return any(matches_taint(toleration, taint) for toleration in tolerations)


def matches_taint(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """Return whether a toleration covers a taint; an empty key or effect covers all."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")


def claims_of(pod: Mapping[str, Any]) -> list[str]:
    """Return the names of the claims whose volumes a pod mounts."""
    return [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in (pod.get("spec") or {}).get("volumes") or ()
        if volume.get("persistentVolumeClaim")
    ]

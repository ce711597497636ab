"""Facts about pods that controllers and kubelets share."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Pod = dict[str, Any]

_UNITS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
    "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_QUANTITY = re.compile(
    r"^([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i)?$"
)


def parse_quantity(text: str | int | float) -> Decimal:
    """Read a quantity such as `250m`, `1.5` or `64Mi`.

    Raises:
        ValueError: it is none.
    """
    match = _QUANTITY.match(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a quantity")
    return Decimal(match[1]) * _UNITS[match[2] or ""]


@dataclass(frozen=True, slots=True)
class Demand:
    """What a pod asks of a node."""

    cpu: int  # thousandths of a core
    memory: int  # bytes
    ports: frozenset[tuple[str, int]]  # protocol and host port


def demand_of(spec: Mapping[str, Any]) -> Demand:
    """Add up what the containers of a pod request; init containers run before, one by one."""
    main = [_requests(container) for container in spec.get("containers", ())]
    before = [_requests(container) for container in spec.get("initContainers", ())]
    cpu = max([sum(one[0] for one in main), *(one[0] for one in before)])
    memory = max([sum(one[1] for one in main), *(one[1] for one in before)])
    ports = frozenset(
        (port.get("protocol", "TCP"), port["hostPort"])
        for container in spec.get("containers", ())
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )
    return Demand(cpu, memory, ports)


def _requests(container: Mapping[str, Any]) -> tuple[int, int]:
    resources = container.get("resources") or {}
    # A limit alone is a request of the same size.
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    cpu, memory = parse_quantity(asked.get("cpu", 0)), parse_quantity(asked.get("memory", 0))
    return int(cpu * 1000), int(memory)


def is_finished(pod: Pod) -> bool:
    """Say whether all containers have ended for good."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def is_leaving(pod: Pod) -> bool:
    """Say whether somebody has deleted the pod, though it may still be there."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_active(pod: Pod) -> bool:
    """Say whether a controller counts the pod as one of its replicas."""
    return not is_finished(pod) and not is_leaving(pod)


def find_condition(obj: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return a condition of an object's status by its type."""
    for condition in obj.get("status", {}).get("conditions") or ():
        if condition["type"] == name:
            found: dict[str, Any] = condition
            return found
    return None


def is_ready(pod: Pod) -> bool:
    """Say whether the pod's Ready condition is True."""
    condition = find_condition(pod, "Ready")
    return condition is not None and condition["status"] == "True"


def controller_of(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the owner reference that manages an object, if one does."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            found: dict[str, Any] = reference
            return found
    return None


def controller_uid(obj: Mapping[str, Any]) -> str:
    """Return the uid of what manages an object, or nothing."""
    owner = controller_of(obj)
    return owner["uid"] if owner else ""


def tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Mapping[str, Any]) -> bool:
    """Say whether one of the tolerations covers a taint."""
    return any(matches_taint(toleration, taint) for toleration in tolerations)


def matches_taint(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """Say whether a toleration covers a taint; an empty key or effect covers each."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")

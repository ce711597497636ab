"""Admission of a pod's priority, from its priority class."""

from collections.abc import Iterable
from typing import Any

from localcloud.kubernetes.objects.failures import forbidden
from localcloud.kubernetes.objects.kinds import POD

Body = dict[str, Any]

PREEMPTS = "PreemptLowerPriority"


def resolve_priority(pod: Body, classes: Iterable[Body]) -> None:
    """Set class, number and preemption policy in the spec of a new pod.

    Raises:
        ApiFailure: the class does not exist, or the pod names another number or policy.
    """
    spec, name = pod.setdefault("spec", {}), pod["metadata"].get("name", "")
    if not isinstance(spec, dict):
        return  # validation refuses it
    known = list(classes)
    wanted = spec.get("priorityClassName", "")
    if wanted:
        found = next((one for one in known if one["metadata"]["name"] == wanted), None)
        if found is None:
            raise forbidden(POD, name, f"no PriorityClass with name {wanted} was found")
    else:
        defaults = [one for one in known if one.get("globalDefault")]
        found = min(defaults, key=lambda one: int(one["value"]), default=None)
        if found:
            spec["priorityClassName"] = found["metadata"]["name"]
    priority = int(found["value"]) if found else 0
    policy = (found or {}).get("preemptionPolicy") or PREEMPTS
    _set(spec, "priority", priority, name, f"integer value of priority ({spec.get('priority')})")
    given = f"string value of PreemptionPolicy ({spec.get('preemptionPolicy')})"
    _set(spec, "preemptionPolicy", policy, name, given)


def _set(spec: Body, field: str, value: int | str, name: str, given: str) -> None:
    if spec.get(field, value) != value:
        raise forbidden(
            POD,
            name,
            f"the {given} must not be provided in pod spec; priority admission controller "
            f"computed {value} from the given PriorityClass name",
        )
    spec[field] = value

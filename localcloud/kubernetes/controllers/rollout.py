"""The next step of a rollout: pure arithmetic on the sizes of ReplicaSets."""

from dataclasses import dataclass
from math import ceil, floor
from typing import Any

from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.objects.pods import find_condition


@dataclass(frozen=True, slots=True)
class Bounds:
    """The allowed surplus and shortage of pods during a rollout."""

    surge: int
    unavailable: int


def bounds_of(deployment: Obj) -> Bounds:
    """Resolve maxSurge and maxUnavailable, which may be percentages."""
    spec = deployment["spec"]
    replicas = spec.get("replicas", 1)
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return Bounds(0, 0)
    rolling = strategy.get("rollingUpdate") or {}
    surge = resolve(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = resolve(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1  # otherwise no progress would be possible
    return Bounds(surge, min(unavailable, replicas))


def resolve(value: int | str, total: int, *, up: bool) -> int:
    """Read a number or a percentage of a total."""
    if isinstance(value, str) and value.endswith("%"):
        share = total * int(value[:-1]) / 100
        return ceil(share) if up else floor(share)
    return int(value)


def size(replica_set: Obj) -> int:
    """Return the requested number of pods of a ReplicaSet."""
    replicas: int = replica_set["spec"].get("replicas", 1)
    return replicas


def available(replica_set: Obj) -> int:
    """Return the number of available pods of a ReplicaSet."""
    count: int = replica_set.get("status", {}).get("availableReplicas") or 0
    return count


def grown_size(deployment: Obj, new: Obj, old: list[Obj]) -> int:
    """Return the size that the new ReplicaSet may have now."""
    replicas: int = deployment["spec"].get("replicas", 1)
    if size(new) >= replicas:
        return replicas
    total = size(new) + sum(map(size, old))
    room = replicas + bounds_of(deployment).surge - total
    return min(size(new) + max(room, 0), replicas)


def shrunk_sizes(deployment: Obj, new: Obj, old: list[Obj]) -> list[int]:
    """Return the sizes that the old ReplicaSets may have now, in the order given (oldest first).

    Unavailable pods are removed first; then as many as the new ReplicaSet's available pods and the
    allowed unavailability permit.
    """
    replicas = deployment["spec"].get("replicas", 1)
    least = replicas - bounds_of(deployment).unavailable
    sizes = [size(one) for one in old]
    missing_new = size(new) - available(new)
    removable = size(new) + sum(sizes) - least - missing_new
    for place, one in enumerate(old):
        idle = min(sizes[place] - min(available(one), sizes[place]), max(removable, 0))
        sizes[place] -= idle
        removable -= idle
    standing = available(new) + sum(min(available(one), left) for one, left in zip(old, sizes))  # noqa: B905
    spare = min(standing - least, removable)
    for place, left in enumerate(sizes):
        gone = min(left, max(spare, 0))
        sizes[place] -= gone
        spare -= gone
    return sizes


@dataclass(frozen=True, slots=True)
class Progress:
    """The contents of a Progressing condition."""

    status: str
    reason: str
    message: str


def is_complete(deployment: Obj, status: dict[str, Any]) -> bool:
    """Return whether every pod is of the new revision and available, and no old one is left."""
    replicas = deployment["spec"].get("replicas", 1)
    counts = (status["updatedReplicas"], status["replicas"], status["availableReplicas"])
    return all((count or 0) == replicas for count in counts)


def has_progressed(deployment: Obj, status: dict[str, Any]) -> bool:
    """Return whether the counts are closer to the goal than those last written."""
    before = deployment.get("status") or {}

    def old_pods(counts: dict[str, Any]) -> int:
        return (counts.get("replicas") or 0) - (counts.get("updatedReplicas") or 0)

    return (
        (status["updatedReplicas"] or 0) > (before.get("updatedReplicas") or 0)
        or old_pods(status) < old_pods(before)
        or (status["readyReplicas"] or 0) > (before.get("readyReplicas") or 0)
        or (status["availableReplicas"] or 0) > (before.get("availableReplicas") or 0)
    )


def with_condition(
    conditions: list[dict[str, Any]], name: str, progress: Progress, now: str
) -> list[dict[str, Any]]:
    """Return the conditions with one of them set, its times kept where nothing changed."""
    known = find_condition({"status": {"conditions": conditions}}, name) or {}
    wanted = {"status": progress.status, "reason": progress.reason, "message": progress.message}
    if wanted.items() <= known.items():
        return conditions
    turned = now if known.get("status") != progress.status else known["lastTransitionTime"]
    fresh = {"type": name, **wanted, "lastUpdateTime": now, "lastTransitionTime": turned}
    return [fresh if one["type"] == name else one for one in conditions] + (
        [] if known else [fresh]
    )

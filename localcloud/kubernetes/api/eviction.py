"""Evictions: deletions of pods within the disruption budgets."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from localcloud.clock import stamp
from localcloud.kubernetes.api.calls import Target
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.deletion import DeleteOptions, delete, require_preconditions
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.registry import Registry
from localcloud.kubernetes.objects.selectors import label_selector_test
from localcloud.kubernetes.objects.store import Body, Stored

_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


def evict(
    registry: Registry, target: Target, eviction: Mapping[str, Any], query: Mapping[str, str]
) -> None:
    """Delete a pod if its disruption budget allows it, and count that against the budget.

    Raises:
        ApiFailure: 429 while the budget forbids it, 500 where two budgets select the pod.
    """
    pod = registry.read(kinds.POD, target.namespace, target.name)
    options = DeleteOptions.read(eviction.get("deleteOptions"), query)
    require_preconditions(kinds.POD, pod, options)
    budget = _budget_of(registry, pod)
    if budget and not _needs_no_budget(pod.body, budget.body):
        _spend(registry, budget, target.name, dry_run=options.dry_run)
    if not options.dry_run and not pod.body["metadata"].get("deletionTimestamp"):
        _mark(registry, pod)
        options = replace(options, version="")  # it was that of before the mark
    delete(registry, kinds.POD, target.namespace, target.name, options)


def _mark(registry: Registry, pod: Stored) -> None:
    """Write the reason of the deletion to the pod's conditions."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastProbeTime": None,
        "lastTransitionTime": stamp(registry.clock.now()),
    }

    def edit(body: Body) -> None:
        conditions = body["status"].setdefault("conditions", [])
        body["status"]["conditions"] = [
            *(one for one in conditions if one["type"] != condition["type"]), condition,
        ]  # fmt: skip

    registry.change(kinds.POD, pod, edit)


def _budget_of(registry: Registry, pod: Stored) -> Stored | None:
    metadata = pod.body["metadata"]
    labels = metadata.get("labels") or {}
    found = [
        budget
        for budget in registry.store.select(kinds.POD_DISRUPTION_BUDGET, metadata["namespace"])
        if label_selector_test(budget.body.get("spec", {}).get("selector"))(labels)
    ]
    if len(found) > 1:
        message = (
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does "
            "not support."
        )
        raise ApiFailure(500, "InternalError", message)
    return found[0] if found else None


def _needs_no_budget(pod: Body, budget: Body) -> bool:
    """Return whether a pod is pending, ended, leaving, or unready beside enough healthy ones."""
    status = pod.get("status", {})
    if status.get("phase") in ("Pending", "Succeeded", "Failed"):
        return True
    if pod["metadata"].get("deletionTimestamp"):
        return True
    conditions = status.get("conditions", ())
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    always = budget.get("spec", {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
    enough = budget["status"]["currentHealthy"] >= budget["status"]["desiredHealthy"] > 0
    return not ready and (always or enough)


def _spend(registry: Registry, budget: Stored, pod: str, *, dry_run: bool) -> None:
    metadata, status = budget.body["metadata"], budget.body["status"]
    if status.get("observedGeneration", 0) < metadata["generation"]:
        cause = f"The disruption budget {metadata['name']} is still being processed by the server."
        raise _refusal(cause, retry_after=10)
    if status["disruptionsAllowed"] <= 0:
        raise _refusal(
            f"The disruption budget {metadata['name']} needs {status['desiredHealthy']} healthy "
            f"pods and has {status['currentHealthy']} currently"
        )
    now = stamp(registry.clock.now())

    def edit(body: Body) -> None:
        body["status"]["disruptionsAllowed"] -= 1
        body["status"].setdefault("disruptedPods", {})[pod] = now

    registry.change(kinds.POD_DISRUPTION_BUDGET, budget, edit, dry_run=dry_run)


def _refusal(cause: str, *, retry_after: int | None = None) -> ApiFailure:
    details: dict[str, Any] = {"causes": [{"message": cause, "reason": "DisruptionBudget"}]}
    if retry_after:
        details["retryAfterSeconds"] = retry_after
    return ApiFailure(429, "TooManyRequests", _REFUSED, details, retry_after=retry_after)

"""PodDisruptionBudgets: how many pods may be evicted at this moment."""

import asyncio
from datetime import datetime
from typing import Any

from localcloud.clock import stamp
from localcloud.kubernetes.client.informer import Key, Obj, key_of
from localcloud.kubernetes.client.writes import merge
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.rollout import resolve
from localcloud.kubernetes.controllers.workqueue import WorkQueue
from localcloud.kubernetes.objects.kinds import (
    DEPLOYMENT,
    POD,
    POD_DISRUPTION_BUDGET,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
)
from localcloud.kubernetes.objects.pods import (
    controller_of,
    find_condition,
    is_finished,
    is_leaving,
    is_ready,
)
from localcloud.kubernetes.objects.selectors import label_selector_test

NAME = "disruption-controller"

PAUSE_PER_POD = 0.00005  # seconds
LONGEST_REST = 0.2

FORGET = 120.0  # seconds after which an eviction that did not delete its pod is dropped


class DisruptionController:
    """Updates the status of each budget, which evictions read."""

    def __init__(self, context: Context) -> None:
        self._api = context.api
        self._clock = context.clock
        self._budgets = context.informers.of(POD_DISRUPTION_BUDGET)
        self._pods = context.informers.of(POD)
        self._scaled = {
            kind.kind: context.informers.of(kind)
            for kind in (DEPLOYMENT, REPLICA_SET, REPLICATION_CONTROLLER)
        }
        self._pods.index("namespace", lambda pod: [pod["metadata"]["namespace"]])
        self._budgets.index("namespace", lambda one: [one["metadata"]["namespace"]])
        self._queue = WorkQueue[Key](NAME, self._sync, context.clock, self._pause)
        self._budgets.on_change(
            lambda before, after: self._queue.add(key_of(after or before or {}))
        )
        self._pods.on_change(self._pod_changed)
        for informer in self._scaled.values():
            informer.on_change(self._scaled_changed)

    async def run(self) -> None:
        """Run until cancelled."""
        await self._queue.run()

    def _pause(self, key: Key) -> float:
        """Pause between syncs where pods are many, because each counts all."""
        return min(len(self._pods.by("namespace", key[0])) * PAUSE_PER_POD, LONGEST_REST)

    def _pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        if before is not None and after is not None and _health(before) == _health(after):
            return
        self._look_at_budgets(after or before or {})

    def _scaled_changed(self, before: Obj | None, after: Obj | None) -> None:
        if before is None or after is None or before["spec"] != after["spec"]:
            self._look_at_budgets(after or before or {})

    def _look_at_budgets(self, obj: Obj) -> None:
        for budget in self._budgets.by("namespace", obj["metadata"]["namespace"]):
            self._queue.add(key_of(budget))

    async def _sync(self, key: Key) -> None:
        budget = self._budgets.objects.get(key)
        if budget is None or is_leaving(budget):
            return
        selects = label_selector_test(budget["spec"].get("selector"))
        pods = [
            pod
            for pod in self._pods.by("namespace", key[0])
            if selects(pod["metadata"].get("labels") or {}) and not is_finished(pod)
        ]
        evicted = self._evicted(budget, pods)
        expected, desired = self._goal(budget, pods)
        healthy = sum(
            is_ready(pod) and not is_leaving(pod) and pod["metadata"]["name"] not in evicted
            for pod in pods
        )
        allowed = max(healthy - desired, 0) if expected else 0
        status: dict[str, Any] = {
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "disruptionsAllowed": allowed,
            "disruptedPods": evicted or None,
            "observedGeneration": budget["metadata"].get("generation"),
        }
        await self._write(budget, status)
        if evicted:
            self._queue.add_after(key, FORGET)

    def _evicted(self, budget: Obj, pods: list[Obj]) -> dict[str, str]:
        """Return the pods whose eviction was granted but is not visible yet."""
        waiting = {pod["metadata"]["name"] for pod in pods if not is_leaving(pod)}
        now = self._clock.now()
        return {
            name: moment
            for name, moment in ((budget.get("status") or {}).get("disruptedPods") or {}).items()
            if name in waiting and (now - datetime.fromisoformat(moment)).total_seconds() < FORGET
        }

    def _goal(self, budget: Obj, pods: list[Obj]) -> tuple[int, int]:
        """Return the expected number of pods, and how many must be healthy."""
        spec = budget["spec"]
        least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
        if most is not None:
            expected = self._expected(pods)
            return expected, max(expected - resolve(most, expected, up=True), 0)
        if isinstance(least, str):
            expected = self._expected(pods)
            return expected, resolve(least, expected, up=True)
        return len(pods), int(least if least is not None else 1)

    def _expected(self, pods: list[Obj]) -> int:
        """Add up the sizes of the controllers behind these pods."""
        sizes: dict[str, int] = {}
        for pod in pods:
            reference = controller_of(pod)
            owner = self._find_scaled(reference, pod) if reference else None
            if owner is not None:
                sizes[owner["metadata"]["uid"]] = owner["spec"].get("replicas", 1)
        return sum(sizes.values())

    def _find_scaled(self, reference: Obj, obj: Obj) -> Obj | None:
        """Follow owners up to the scaled one: a Deployment, or a controller without an owner."""
        informer = self._scaled.get(reference["kind"])
        if informer is None:
            return None
        owner = informer.objects.get((obj["metadata"]["namespace"], reference["name"]))
        above = controller_of(owner) if owner else None
        return (self._find_scaled(above, owner) if above and owner else None) or owner

    async def _write(self, budget: Obj, status: dict[str, Any]) -> None:
        known = budget.get("status") or {}
        enough = status["disruptionsAllowed"] > 0
        before = find_condition(budget, "DisruptionAllowed") or {}
        word = "True" if enough else "False"
        turned = before.get("lastTransitionTime") if before.get("status") == word else None
        status["conditions"] = [
            {
                "type": "DisruptionAllowed",
                "status": word,
                "reason": "SufficientPods" if enough else "InsufficientPods",
                "message": "",
                "observedGeneration": budget["metadata"].get("generation", 1),
                "lastTransitionTime": turned or stamp(self._clock.now()),
            }
        ]
        if all(known.get(field) == value for field, value in status.items()):
            return
        # With the version: an eviction granted in between must not be overwritten.
        change = {
            "metadata": {"resourceVersion": budget["metadata"]["resourceVersion"]},
            "status": {**status, "disruptedPods": _replaced(known, status["disruptedPods"])},
        }
        changed = await merge(self._api, POD_DISRUPTION_BUDGET, budget, change, "status")
        self._budgets.learn(changed)
        await asyncio.sleep(0)


def _health(pod: Obj) -> tuple[Any, ...]:
    return pod["metadata"].get("labels"), is_ready(pod), is_leaving(pod), is_finished(pod)


def _replaced(known: Obj, evicted: dict[str, str] | None) -> dict[str, str | None] | None:
    """Return a map for a merge patch, with null for removed names."""
    if not evicted:
        return None
    return dict.fromkeys(known.get("disruptedPods") or {}) | dict(evicted)

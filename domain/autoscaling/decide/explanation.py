"""Why the autoscaler acted or did not act at a moment, and what a user can do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from domain.autoscaling.decision import Reason
from domain.autoscaling.memory.memory import LONGEST_GAP, Memory, Remembered
from domain.autoscaling.memory.remembering import DONE

ADVICE: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.AT_MAXIMUM: "raise nodes.maximum (flows.provision --file), and the policy's "
        "own maximum if it has one",
        Reason.MACHINES_BOOT: "wait; `python -m flows.status` shows the state of the machines",
        Reason.LAUNCHES_BACK_OFF: "name other types in the policy's instance_types, or wait",
        Reason.NO_TEMPLATE: "check instance_types in the policy against what the zone offers",
        Reason.MANY_NOT_READY: "find out why: kubectl describe node, python -m flows.status",
        Reason.RULE_UNREADABLE: "see that `python -m flows.monitor` runs and measures the metric",
        Reason.SAMPLES_MISSING: "see that `python -m flows.monitor` runs and measures the metric",
        Reason.UNKNOWN_METRIC: "correct the metric's name, or add a custom monitor of that name",
        Reason.HAND_MADE: "remove that machine by hand, if it is not needed",
        Reason.REMOVAL_DISABLED: "take the annotation scale-down-disabled off the node",
        Reason.CORDONED: "kubectl uncordon the node, if its maintenance is over",
        Reason.NOT_READY: "repair or remove the machine by hand; it is billed meanwhile",
        Reason.DRAIN_FAILED: "look at the pods' disruption budgets: kubectl get pdb -A",
        Reason.MACHINE_WITHOUT_NODE: "it is billed and runs nothing: let `python -m flows.scale` "
        "finish it, or remove it",
        Reason.POD_HAS_NO_PLACE: "wait, or reduce requests, selectors or affinity of the pods",
        Reason.POD_UNSAFE: "take the annotation safe-to-evict=false off the pod, or wait for it",
        Reason.POD_ALONE: "delete the pod, or annotate it with "
        "cluster-autoscaler.kubernetes.io/safe-to-evict=true",
        Reason.POD_KEEPS_DATA: "annotate the pod with "
        "cluster-autoscaler.kubernetes.io/safe-to-evict=true, if its data may go",
        Reason.POD_OF_SYSTEM: "give the pod a disruption budget",
        Reason.BUDGET_USED_UP: "see what the budget waits for: kubectl get pdb,pods -A",
        Reason.BUDGETS_OVERLAP: "let one budget cover the pod: kubectl get pdb -A",
        Reason.NO_MACHINE_HOLDS: "reduce the requests of the pod, or give the group a larger type",
        Reason.NOT_TAKEN: "kubectl describe pod shows what the scheduler says; a pod with another "
        "specification, or one of its kind that runs, gets machines again",
        Reason.HELD: "kubectl describe pod shows it: a claim, a gate, a plug-in of the scheduler",
        Reason.LOW_PRIORITY: "raise the pod's priority, or lower the policy's least_priority",
        Reason.ROOM_IS_THERE: "kubectl describe pod shows what the scheduler waits for",
        Reason.JOINS_FAILED: "run `python -m flows.scale` with one machine more, which shows why "
        "they do not join; the first one that joins ends the pause",
        Reason.MANY_BROKEN: "look at their common cause: python -m flows.status, the console; "
        "machines that are not needed leave with `python -m flows.scale`",
        Reason.NODE_WITHOUT_MACHINE: "kubectl delete node, if its machine is gone for good",
        Reason.BOUNDS_CONTRADICT: "correct minimum and maximum of policy, schedule and group",
        Reason.ANOTHER_AUTOSCALER: "scale it to no replicas, or end this one",
    }
)
"""Advice by reason. Other reasons need no action."""

AFTER_LAUNCH = "the next evaluation retries; `python -m flows.status` shows the machines"

AFTER_REPAIR = "it is tried again in 15 min; `python -m flows.scale` removes broken machines first"

EARLIER = 5
"""Decisions that are shown before the last one."""

_PATIENCE = timedelta(seconds=LONGEST_GAP)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision in force at a moment.

    Args:
        decision: None before the oldest one in the memory.
        outcome: of a change; empty for a hold.
        unwatched_since: time of the last evaluation before the moment, if that is too long ago.
        advice: what a user can do; empty where nothing is needed.
        is_later: the decision is the first one after the moment, because none before it is stored.
        earlier: the decisions before this one, the oldest first; none where a moment was named.
    """

    moment: datetime
    decision: Remembered | None = None
    outcome: str = ""
    unwatched_since: datetime | None = None
    advice: str = ""
    is_later: bool = False
    earlier: tuple[Remembered, ...] = ()


def explain(memory: Memory, moment: datetime) -> Explanation:
    """Find the decision in force at a moment, or the nearest, and whether evaluations ran then."""
    known = [entry for entry in memory.recent if entry.first <= moment]
    nearest = known[-1:] or list(memory.recent[:1])
    if not nearest:
        return Explanation(moment)
    (entry,) = nearest
    is_later = entry.first > moment
    unwatched = entry.last if moment - entry.last > _PATIENCE else None
    outcome = _outcome(entry, memory)
    return Explanation(moment, entry, outcome, unwatched, _advice(entry), is_later)


def explain_latest(memory: Memory, now: datetime) -> Explanation:
    """Explain the last decision, with those before it."""
    return replace(explain(memory, now), earlier=tuple(memory.recent[-1 - EARLIER : -1]))


def _advice(entry: Remembered) -> str:
    if entry.kind == "hold":
        return ADVICE.get(entry.reason, "")
    if entry.outcome in ("", DONE):
        return ""
    if entry.kind == "repair":
        return AFTER_REPAIR
    return ADVICE[Reason.DRAIN_FAILED] if entry.kind == "in" else AFTER_LAUNCH


def _outcome(entry: Remembered, memory: Memory) -> str:
    if entry.kind == "hold":
        return ""
    if entry.outcome:
        return entry.outcome if entry.outcome == DONE else f"failed: {entry.outcome}"
    if entry is memory.recent[-1]:
        return "under way, or the evaluator ended before it was finished"
    return "the evaluator ended before it was finished; the next one took over"

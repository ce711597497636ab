"""Why a pod waits, by the scheduler's own words.

The scheduler writes how many nodes refuse a pod for which reason, or one reason for the pod as a
whole. A new machine helps only against reasons that it can change. Source: the plugins of
kube-scheduler 1.36, and recordings of a real one.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Item = Mapping[str, Any]

_ROOM = re.compile(
    r"Insufficient |Too many pods|node\(s\) didn't have free ports"
    r"|node\(s\) didn't match pod (anti-)?affinity rules"
    r"|node\(s\) didn't satisfy existing pods anti-affinity rules"
    r"|node\(s\) didn't match pod topology spread constraints"
    r"|node\(s\) exceed max volume count"
)
"""What a machine more can change, if its template holds the pod."""

_OF_THE_NODE = re.compile(
    r"node\(s\) had (untolerated )?taint|node\(s\) were unschedulable|node\(s\) were not ready"
    r"|node\(s\) didn't match Pod's node affinity|node\(s\) didn't match node selector"
    r"|node\(s\) didn't match the requested node name|node\(s\) didn't satisfy plugin\(s\)"
)
"""Nodes of which the pod never was a candidate."""

_HEAD = re.compile(r"\d+/\d+ nodes are available: ")
_TAIL = re.compile(r"\.? (no new claims to deallocate|preemption: ).*", re.DOTALL)
_COUNTED = re.compile(r"\d+ (.+)", re.DOTALL)
LONGEST = 200
"""Characters of a reason that are kept."""


def find_hold(pod: Item) -> str:
    """What a pending pod waits for that no machine gives; empty where a machine may help."""
    spec = pod["spec"]
    if gates := spec.get("schedulingGates"):
        return "scheduling gate " + ", ".join(str(gate.get("name")) for gate in gates)
    if claims := spec.get("resourceClaims"):  # no template has devices
        return "resource claim " + ", ".join(str(claim.get("name")) for claim in claims)
    for condition in pod.get("status", {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            if condition.get("reason") == "SchedulerError":
                return _short(f"scheduler error: {condition.get('message', '')}")
            return _short(", ".join(_unknown(condition.get("message") or "")))
    return ""


def _unknown(message: str) -> list[str]:
    """The reasons that a machine cannot change, where these alone keep the pod waiting."""
    body = _TAIL.sub("", _HEAD.sub("", message, count=1))
    if not body or message.startswith("no nodes available"):
        return []
    reasons = list(_split(body))
    if any(_ROOM.match(reason) for reason in reasons):
        return []
    return [reason for reason in reasons if not _OF_THE_NODE.match(reason)]


def _split(body: str) -> Iterator[str]:
    for part in re.split(r", (?=\d+ )", body.rstrip(".")):
        counted = _COUNTED.fullmatch(part)
        yield counted[1] if counted else part


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"

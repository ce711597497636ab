"""Two columns of `kubectl get`: the age of an object, and the status of a pod."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Body = Mapping[str, Any]


def age(since: str | None, now: datetime) -> str:
    """Return a duration as kubectl writes it: 59s, 5m30s, 3h, 2d4h, 400d."""
    if not since:
        return "<unknown>"
    started = datetime.fromisoformat(since.replace("Z", "+00:00"))
    seconds = max(0, int((now.astimezone(UTC) - started).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        rest = seconds % 60
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        rest = minutes % 60
        return f"{hours}h{rest}m" if rest else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        rest = hours % 24
        return f"{days}d{rest}h" if rest else f"{days}d"
    if days < 365 * 2:
        return f"{days}d"
    years, rest = days // 365, days % 365
    return f"{years}y{rest}d" if years < 8 and rest else f"{years}y"


def pod_word(pod: Body) -> str:
    """Return the phase, or the more precise state of containers or deletion."""
    status = pod.get("status") or {}
    word: str = status.get("reason") or status.get("phase", "Unknown")
    word = _initialising(pod) or _containers(pod, word)
    if pod["metadata"].get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return word


def _initialising(pod: Body) -> str:
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or ()
    for index, container in enumerate(statuses):
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if ended and ended.get("exitCode") == 0:
            continue
        if ended:
            return f"Init:{ended.get('reason') or 'Error'}"
        if waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{len(pod['spec'].get('initContainers', ()))}"
    return ""


def _containers(pod: Body, word: str) -> str:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    running = False
    for container in reversed(statuses):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason"):
            word = waiting["reason"]
        elif ended:
            word = ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}"
        elif container.get("ready") and state.get("running"):
            running = True
    if word == "Completed" and running:
        word = "Running" if _ready(pod) else "NotReady"
    return word


def _ready(pod: Body) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)

"""The one word that `kubectl get pods` shows for a pod."""

from collections.abc import Mapping
from typing import Any

Body = Mapping[str, Any]


def pod_word(pod: Body) -> str:
    """The phase, or what the containers or the deletion say more precisely."""
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

"""The status of a pod in each phase, as written by a kubelet."""

import hashlib
from collections.abc import Mapping
from typing import Any

from localcloud.kubernetes.objects.pods import find_condition

Pod = Mapping[str, Any]
Status = dict[str, Any]

CREATING = {"reason": "ContainerCreating"}


def waiting_status(pod: Pod, host: str, now: str, waiting: Mapping[str, str]) -> Status:
    """Return the status of a pod whose containers wait, with the reason."""
    names = [container["name"] for container in pod["spec"]["containers"]]
    unready = {
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{' '.join(names)}]",
    }
    return {
        **_place(pod, host, now),
        "phase": "Pending",
        "conditions": [
            _condition("PodReadyToStartContainers", "False", now),
            _condition("Initialized", "True", now),
            _condition("Ready", "False", now, unready),
            _condition("ContainersReady", "False", now, unready),
            *_scheduled(pod, now),
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "lastState": {},
                "ready": False,
                "started": False,
                "restartCount": 0,
                "state": _state("waiting", dict(waiting)),
            }
            for container in pod["spec"]["containers"]
        ],
    }


def running_status(pod: Pod, host: str, address: str, now: str, restarts: int) -> Status:
    """Return the status of a pod whose containers all run and are ready."""
    return {
        **_place(pod, host, now),
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": _ready_conditions(pod, now),
        **_init_statuses(pod, now),
        "containerStatuses": [
            {
                **_container(pod, container, restarts),
                "ready": True,
                "started": True,
                "state": _state("running", {"startedAt": now}),
            }
            for container in pod["spec"]["containers"]
        ],
    }


def succeeded_status(pod: Pod, host: str, address: str, now: str) -> Status:
    """Return the status of a pod whose containers have all succeeded."""
    done = {"reason": "PodCompleted"}
    conditions = [
        _condition(one["type"], "False", now, done)
        if one["type"] in ("Ready", "ContainersReady")
        else one
        for one in _ready_conditions(pod, now)
    ]
    return {
        **_place(pod, host, now),
        "phase": "Succeeded",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": conditions,
        **_init_statuses(pod, now),
        "containerStatuses": [
            {
                **_container(pod, container, 0),
                "ready": False,
                "started": False,
                "state": _state("terminated", _completed(now)),
            }
            for container in pod["spec"]["containers"]
        ],
    }


def refused_status(reason: str, message: str, now: str) -> Status:
    """Return the status of a pod that the node has rejected."""
    return {"phase": "Failed", "reason": reason, "message": message, "startTime": now}


def _place(pod: Pod, host: str, now: str) -> Status:
    started = pod.get("status", {}).get("startTime") or now
    return {"hostIP": host, "hostIPs": [{"ip": host}], "startTime": started}


def _ready_conditions(pod: Pod, now: str) -> list[dict[str, Any]]:
    names = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
    return [*(_condition(name, "True", now) for name in names), *_scheduled(pod, now)]


def _scheduled(pod: Pod, now: str) -> list[dict[str, Any]]:
    """Keep the scheduler's condition; static pods were never scheduled."""
    known = find_condition(pod, "PodScheduled")
    placed = known is not None and known["status"] == "True"
    return [] if placed else [_condition("PodScheduled", "True", now)]


def _condition(
    name: str, status: str, now: str, why: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {
        "type": name,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": now,
        "reason": None,
        "message": None,
        **(why or {}),
    }


def _container(pod: Pod, container: Mapping[str, Any], restarts: int) -> Status:
    lost = {"exitCode": 255, "reason": "Unknown"}
    seed = f"{pod['metadata'].get('uid')}/{container['name']}/{restarts}"
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": f"sha256:{_digest(container['image'])}",
        "containerID": f"containerd://{_digest(seed)}",
        "lastState": {"terminated": lost} if restarts else {},
        "restartCount": restarts,
    }


def _init_statuses(pod: Pod, now: str) -> Status:
    containers = pod["spec"].get("initContainers")
    if not containers:
        return {}
    return {
        "initContainerStatuses": [
            {
                **_container(pod, container, 0),
                "ready": True,
                "started": False,
                "state": _state("terminated", _completed(now)),
            }
            for container in containers
        ]
    }


def _state(name: str, content: dict[str, Any]) -> dict[str, Any]:
    """Set one state and null the others, which a patch would otherwise keep."""
    return {**dict.fromkeys(("waiting", "running", "terminated")), name: content}


def _completed(now: str) -> dict[str, Any]:
    return {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

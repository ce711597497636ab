"""Storage of the memory: a ConfigMap of the cluster, and an Event for each change of the size."""

from datetime import UTC, datetime
from uuid import uuid4

from domain.autoscaling.memory.memory import Memory, parse_memory
from domain.cluster.api import ClusterApi, Manifest

SYSTEM = "kube-system"
COMPONENT = "qingcloud-autoscaler"
LONGEST_NOTE = 1000
"""Characters; the API refuses an Event with more than 1024."""


def memory_name(group: str) -> str:
    """Name of the ConfigMap, and of the Lease, of one group's evaluations."""
    return f"autoscaler-{group}"


def read_memory(api: ClusterApi, group: str) -> Memory:
    """Read the memory; an empty one where there is none, or where it cannot be read."""
    found = api.read("ConfigMap", memory_name(group), SYSTEM)
    return parse_memory((found.get("data") or {}).get("memory.json", "")) if found else Memory()


def keep_memory(api: ClusterApi, group: str, memory: Memory) -> None:
    """Store the memory, with the last decision in words beside it for `kubectl describe`."""
    data = {"memory.json": memory.to_json()}
    if memory.recent:
        data["last-decision"] = f"{memory.recent[-1].last:%Y-%m-%dT%H:%M:%SZ} " + (
            memory.recent[-1].words
        )
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": memory_name(group), "namespace": SYSTEM},
            "data": data,
        }
    )


def record_event(api: ClusterApi, group: str, reason: str, words: str) -> None:
    """Create an Event in the cluster; `reason` is one word such as `ScalingOut`."""
    name, stamp = memory_name(group), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    event: Manifest = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{uuid4().hex[:16]}", "namespace": SYSTEM},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": name,
            "namespace": SYSTEM,
        },
        "reason": reason,
        "message": words[:LONGEST_NOTE],
        "type": "Warning" if reason.endswith("Failed") else "Normal",
        "source": {"component": COMPONENT},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
    api.create(event)

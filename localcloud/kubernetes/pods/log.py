"""The output of `kubectl logs` for a pod without processes."""

from collections.abc import Mapping
from typing import Any

from localcloud.kubernetes.objects.failures import bad_request


def read_log(pod: Mapping[str, Any], container: str, query: Mapping[str, str]) -> str:
    """Return lines which state that the pod is simulated.

    Args:
        container: its name; empty for the pod's first one.
        query: `timestamps`, `tailLines` and `previous` are understood.

    Raises:
        ApiFailure: 400 for an unknown container, or one that does not run or never ran before.
    """
    name = pod["metadata"]["name"]
    containers = {item["name"]: item for item in pod["spec"]["containers"]}
    wanted = container or next(iter(containers))
    if wanted not in containers:
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    if query.get("previous") in ("true", "1"):
        raise bad_request(f'previous terminated container "{wanted}" in pod "{name}" not found')
    started = pod.get("status", {}).get("startTime")
    if pod.get("status", {}).get("phase") == "Pending" or not started:
        raise bad_request(
            f'container "{wanted}" in pod "{name}" is waiting to start: ContainerCreating'
        )
    node = pod["spec"].get("nodeName", "")
    lines = [
        f"simulated container {wanted} of image {containers[wanted]['image']}",
        f"started on node {node}; it answers on its ports and writes no log of its own",
    ]
    if query.get("timestamps") in ("true", "1"):
        lines = [f"{started} {line}" for line in lines]
    if tail := query.get("tailLines"):
        if not tail.isdigit():
            raise bad_request(f"tailLines: Invalid value: {tail}: must be a number")
        lines = lines[-int(tail) :] if int(tail) else []
    return "".join(f"{line}\n" for line in lines)

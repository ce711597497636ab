"""The tables of `crictl images`, and of `crictl ps` and `crictl pods` for the running pods."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from localcloud.machines.registries import image_id

Pod = Mapping[str, Any]

_CONTAINERS = (
    "CONTAINER", "IMAGE", "CREATED", "STATE", "NAME", "ATTEMPT", "POD ID", "POD", "NAMESPACE",
)  # fmt: skip
_IMAGES = ("IMAGE", "TAG", "IMAGE ID", "SIZE")
_SANDBOXES = ("POD ID", "CREATED", "STATE", "NAME", "NAMESPACE", "ATTEMPT", "RUNTIME")
_NARROWEST, _PADDING = 20, 3  # of crictl's columns
_SHORT = 13  # characters of an id


def list_images(images: Iterable[str]) -> str:
    """List images by name; all have one size, as nothing is stored of them."""
    rows = []
    for image in sorted(images):
        name, _, tag = image.rpartition(":")
        rows.append((name, tag, image_id(image).partition(":")[2][:_SHORT], "35MB"))
    return _table(_IMAGES, rows)


def list_containers(pods: Iterable[Pod], now: datetime) -> str:
    """List the running containers, with the paths of their images."""
    rows = [row for pod in pods for row in _container_rows(pod, now)]
    return _table(_CONTAINERS, rows)


def list_sandboxes(pods: Iterable[Pod], now: datetime) -> str:
    """List the sandboxes of the pods, all Ready."""
    rows = [
        (_sandbox(pod), _age(pod["status"].get("startTime"), now), "Ready", *_name(pod), "0")
        for pod in pods
    ]
    return _table(_SANDBOXES, [(*row, "(default)") for row in rows])


def containers(pod: Pod) -> list[Mapping[str, Any]]:
    """Return the status of each running container of a pod."""
    known = pod["status"].get("containerStatuses") or ()
    return [one for one in known if (one.get("state") or {}).get("running")]


def id_of(container: Mapping[str, Any]) -> str:
    """Return the whole id of a container; tables show its beginning."""
    return str(container.get("containerID", "").removeprefix("containerd://"))


def _container_rows(pod: Pod, now: datetime) -> Iterator[tuple[str, ...]]:
    name, namespace = _name(pod)
    for one in containers(pod):
        yield (
            id_of(one)[:_SHORT],
            one["image"],
            _age(one["state"]["running"].get("startedAt"), now),
            "Running",
            one["name"],
            str(one.get("restartCount", 0)),
            _sandbox(pod),
            name,
            namespace,
        )


def _name(pod: Pod) -> tuple[str, str]:
    return pod["metadata"]["name"], pod["metadata"]["namespace"]


def _sandbox(pod: Pod) -> str:
    """Return an id for the pod's sandbox; the API has none."""
    return hashlib.sha256(f"sandbox {pod['metadata']['uid']}".encode()).hexdigest()[:_SHORT]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, *rows]
    widths = [
        max(_NARROWEST, max(len(line[at]) for line in lines) + _PADDING) for at in range(len(head))
    ]
    return "\n".join(
        "".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def columns(lines: Sequence[Sequence[str]]) -> str:
    """Return a table of kubeadm's: columns as wide as their longest cell, and three blanks."""
    widths = [max(len(line[at]) for line in lines) + _PADDING for at in range(len(lines[0]))]
    return "\n".join(
        "".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _age(since: str | None, now: datetime) -> str:
    """Return an age in the words of container tools."""
    seconds = int((now - datetime.fromisoformat(since)).total_seconds()) if since else 0
    if seconds < 1:
        return "Less than a second ago"
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}s ago"
        if seconds >= size and name != "day":
            return f"About {'an' if name == 'hour' else 'a'} {name} ago"
    return f"{seconds} seconds ago"

"""What it costs to count pods by node: `python -m benchmarks.read_pods`.

Three ways over the same synthetic cluster (5,000 nodes, 150,000 pods): a Table that the server
prints, as `count_workload_pods` and `read_load` ask for it; raw JSON pages; and the kubernetes
client's typed objects. Each runs in a process of its own, so that its peak of memory is its own.
Bytes and time are of reading the answers, not of the server that writes them.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.kubernetes.client import PAGE
from clients.kubernetes.records import count_by_node, pod_from

TYPED_PAGE = 500
"""The typed client's own advice for long lists; larger pages only cost memory."""


@dataclass(frozen=True, slots=True)
class Size:
    nodes: int
    pods: int

    def node(self, pod: int) -> str:
        return f"k8s-node-{pod % self.nodes:08d}"

    def name(self, pod: int) -> str:
        return f"my-nginx-7c5ddbdf54-{pod:08x}"


@dataclass(frozen=True, slots=True)
class Cost:
    pods: int
    seconds: float
    megabytes: float
    peak: float  # MB above what the process held before


def table_answer(size: Size) -> bytes:
    """The answer to `includeObject=None`: one row of cells for each pod."""
    columns = ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node"]
    rows = [
        [size.name(pod), "1/1", "Running", 0, "5h", "10.244.7.9", size.node(pod), "<none>"]
        for pod in range(size.pods)
    ]
    return json.dumps(
        {
            "kind": "Table",
            "columnDefinitions": [{"name": name} for name in (*columns, "Readiness Gates")],
            "rows": [{"cells": [*cells, "<none>"]} for cells in rows],
        }
    ).encode()


def list_answer(size: Size, first: int, count: int) -> bytes:
    """One page of a list of pods as objects."""
    last = min(first + count, size.pods)
    items = [_pod(size.name(pod), size.node(pod)) for pod in range(first, last)]
    return json.dumps(
        {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
    ).encode()


def _pod(name: str, node: str) -> dict[str, Any]:
    """A pod of a Deployment as the API keeps it, about two kilobytes of JSON."""
    now = "2026-11-02T12:00:00Z"
    conditions = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": "my-nginx-7c5ddbdf54-",
            "namespace": "default",
            "uid": f"6f9619ff-8b86-d011-b42d-{name[-8:]:0>12}",
            "resourceVersion": "1234567",
            "creationTimestamp": now,
            "labels": {"app": "my-nginx", "pod-template-hash": "7c5ddbdf54"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": "my-nginx-7c5ddbdf54",
                    "uid": "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "volumes": [
                {
                    "name": "kube-api-access",
                    "projected": {
                        "sources": [
                            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
                        ],
                        "defaultMode": 420,
                    },
                }
            ],
            "containers": [
                {
                    "name": "nginx",
                    "image": "nginx",
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                    "volumeMounts": [
                        {
                            "name": "kube-api-access",
                            "readOnly": True,
                            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                        }
                    ],
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "imagePullPolicy": "Always",
                }
            ],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default",
            "nodeName": node,
            "schedulerName": "default-scheduler",
            "enableServiceLinks": True,
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": now} for kind in conditions
            ],
            "hostIP": "192.168.1.17",
            "podIP": "10.244.7.9",
            "podIPs": [{"ip": "10.244.7.9"}],
            "startTime": now,
            "containerStatuses": [
                {
                    "name": "nginx",
                    "state": {"running": {"startedAt": now}},
                    "lastState": {},
                    "ready": True,
                    "restartCount": 0,
                    "image": "docker.io/library/nginx:latest",
                    "imageID": "docker.io/library/nginx@sha256:" + "5" * 64,
                    "containerID": "containerd://" + "a" * 64,
                    "started": True,
                }
            ],
            "qosClass": "Burstable",
        },
    }


def read_table(answers: Iterator[bytes]) -> Counter[str]:
    return Counter(count_by_node(json.loads(next(answers))))


def read_raw(answers: Iterator[bytes]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for answer in answers:
        counts.update(pod_from(item).node for item in json.loads(answer)["items"])
    return counts


def read_typed(answers: Iterator[bytes]) -> Counter[str]:
    from kubernetes.client import V1PodList

    counts: Counter[str] = Counter()
    for answer in answers:
        pods: Any = V1PodList.from_json(answer.decode())
        counts.update(pod.spec.node_name for pod in pods.items)
    return counts


WAYS: dict[str, tuple[Callable[[Iterator[bytes]], Counter[str]], int]] = {
    "Table": (read_table, 0),
    "raw JSON pages": (read_raw, PAGE),
    "typed objects": (read_typed, TYPED_PAGE),
}


def write_answers(way: str, size: Size, folder: str) -> list[Path]:
    """Write what the server would answer, one file a page."""
    page = WAYS[way][1]
    if not page:
        file = Path(folder, "table.json")
        file.write_bytes(table_answer(size))
        return [file]
    files = []
    for first in range(0, size.pods, page):
        files.append(Path(folder, f"pods-{first}.json"))
        files[-1].write_bytes(list_answer(size, first, page))
    return files


def measure(way: str, files: list[Path]) -> Cost:
    """Read and count all answers; the files stand for the network."""
    read, page = WAYS[way]
    if page:
        read(iter([list_answer(Size(1, 1), 0, 1)]))  # imports and first calls
    before = _peak()
    began = time.perf_counter()
    counts = read(file.read_bytes() for file in files)
    seconds = time.perf_counter() - began
    size = sum(file.stat().st_size for file in files)
    return Cost(counts.total(), seconds, size / 1e6, _peak() - before)


def _elsewhere(function: Callable[..., Any], *args: Any) -> Any:
    """Run in a process of its own, which takes its memory with it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=5_000)
    parser.add_argument("--pods", type=int, default=150_000)
    chosen = parser.parse_args()
    size = Size(chosen.nodes, chosen.pods)
    print(f"{size.pods:,} pods on {size.nodes:,} nodes")
    print(f"{'':<16}{'seconds':>9}{'MB read':>9}{'MB peak':>9}{'time':>9}{'read':>8}{'memory':>8}")
    smallest: Cost | None = None
    for way in WAYS:
        with tempfile.TemporaryDirectory() as folder:
            files = _elsewhere(write_answers, way, size, folder)
            cost = _elsewhere(measure, way, files)
        assert cost.pods == size.pods, f"{way} counted {cost.pods} pods"
        smallest = smallest or cost
        print(
            f"{way:<16}{cost.seconds:>9.2f}{cost.megabytes:>9.1f}{cost.peak:>9.1f}"
            f"{cost.seconds / smallest.seconds:>8.1f}×"
            f"{cost.megabytes / smallest.megabytes:>7.1f}×"
            f"{cost.peak / max(smallest.peak, 1):>7.2f}×"
        )


if __name__ == "__main__":
    main()

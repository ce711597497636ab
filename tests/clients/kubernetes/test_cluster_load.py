"""What pods request, which of them wait, and how a Table is counted."""

from typing import Any

import pytest

from clients.kubernetes.load import add_requests, load_from
from domain.node.install import GROUP_LABEL
from domain.observe.metrics.load import Requests

MIB = 2**20


def container(cpu: str = "", memory: str = "", **more: Any) -> dict[str, Any]:
    requests = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"name": "c", "resources": {"requests": requests} if requests else {}, **more}


def pod(node: str = "n1", phase: str = "Running", **spec: Any) -> dict[str, Any]:
    placed = {"nodeName": node} if node else {}
    return {
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [container()], **placed, **spec},
        "status": {"phase": phase},
    }


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        pytest.param({"containers": [container("100m"), container("0.2")]}, 0.3, id="a sum"),
        pytest.param({"containers": [container()]}, 0.0, id="no requests"),
        pytest.param(
            {"containers": [container("100m")], "initContainers": [container("1")]},
            1.0,
            id="an init container that requests more",
        ),
        pytest.param(
            {
                "containers": [container("500m")],
                "initContainers": [container("300m", restartPolicy="Always"), container("100m")],
            },
            0.8,
            id="a side-car beside the others",
        ),
        pytest.param(
            {
                "containers": [container("100m")],
                "initContainers": [container("300m", restartPolicy="Always"), container("600m")],
            },
            0.9,
            id="an init container beside the side-car",
        ),
        pytest.param(
            {"containers": [container("100m")], "overhead": {"cpu": "250m"}},
            0.35,
            id="the runtime's own share",
        ),
        pytest.param(
            {"containers": [container("100m")], "resources": {"requests": {"cpu": "2"}}},
            2.0,
            id="given for the whole pod",
        ),
    ],
)
def test_a_pod_requests_what_the_scheduler_counts(spec: dict[str, Any], cpu: float) -> None:
    found = add_requests([pod(**spec)])
    assert found["n1"].cpu == pytest.approx(cpu)


def test_pods_without_a_node_and_finished_ones_request_nothing() -> None:
    asking: dict[str, Any] = {"containers": [container("1", "64Mi")]}
    pods = [pod(**asking), pod(node="", **asking), pod(phase="Succeeded", **asking)]
    assert add_requests(pods) == {"n1": Requests(1.0, 64.0 * MIB)}


def table(*rows: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "kind": "Table",
        "columnDefinitions": [{"name": name} for name in ("Name", "Ready", "Node")],
        "rows": [{"cells": list(row)} for row in rows],
    }


def node(name: str, ready: str = "True") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {GROUP_LABEL: "k8s-node"}},
        "status": {
            "allocatable": {"cpu": "1900m", "memory": "2048Mi", "pods": "42"},
            "conditions": [{"type": "Ready", "status": ready}, {"type": "Odd", "status": "True"}],
        },
    }


def test_pods_and_their_containers_are_counted_by_node() -> None:
    rows = [
        ("a", "1/2", "n1"),
        ("b", "0/1", "n1"),
        ("c", "1/1", "<none>"),
        ("kube-n1", "1/1", "n1"),
    ]
    load = load_from(table(*rows), [node("n1"), node("n2", "Unknown")], [], None)
    first, second = load.nodes
    assert (first.pods, first.containers) == (2, 3)
    assert (second.pods, second.containers) == (0, 0)
    assert first.group == "k8s-node"
    assert first.pods_allocatable == 42
    assert first.allocatable == Requests(1.9, 2048.0 * MIB)
    assert first.requested is None
    assert (first.conditions, second.conditions) == ({"Ready": True}, {"Ready": None})


def test_requests_of_a_node_without_requests_are_zero() -> None:
    load = load_from(table(), [node("n1")], [], {})
    assert load.nodes[0].requested == Requests()


def waiting(reason: str = "", **changes: Any) -> dict[str, Any]:
    made = pod(node="", phase="Pending")
    if reason:
        made["status"]["conditions"] = [
            {"type": "PodScheduled", "status": "False", "reason": reason}
        ]
    made["metadata"] |= changes.pop("metadata", {})
    made["spec"] |= changes
    return made


@pytest.mark.parametrize(
    ("one", "counts"),
    [
        pytest.param(waiting(), (1, 0), id="not looked at yet"),
        pytest.param(waiting("Unschedulable"), (1, 1), id="no place"),
        pytest.param(
            waiting("SchedulingGated", schedulingGates=[{"name": "g"}]), (0, 0), id="gate"
        ),
        pytest.param(pod(phase="Pending"), (0, 0), id="starting on its node"),
        pytest.param(
            waiting("Unschedulable", metadata={"deletionTimestamp": "2026-11-02T12:00:00Z"}),
            (0, 0),
            id="being deleted",
        ),
        pytest.param(
            waiting("Unschedulable", metadata={"ownerReferences": [{"kind": "DaemonSet"}]}),
            (0, 0),
            id="a daemon's",
        ),
    ],
)
def test_only_pods_that_wait_for_room_count_as_waiting(
    one: dict[str, Any], counts: tuple[int, int]
) -> None:
    load = load_from(table(), [], [one], None)
    assert (load.pending, load.unschedulable) == counts

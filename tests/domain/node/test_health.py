"""When a change goes on after a step, and when it stops."""

import pytest

from domain.cluster.api import Node, Pod
from domain.node.batches import next_batch
from domain.node.health import Health, find_health


def node(name: str, *, ready: bool = True) -> Node:
    return Node(name, "192.168.1.2", ready, schedulable=True, pods_allocatable=40)


def pod(name: str, *, ready: bool = True, phase: str = "Running") -> Pod:
    return Pod("default", name, name, "n1", phase, ready, "ReplicaSet", is_mirror=False)


BEFORE = find_health([node("n1"), node("n2", ready=False)], [pod("a"), pod("b", ready=False)])


@pytest.mark.parametrize(
    ("now", "complaints"),
    [
        pytest.param(BEFORE, "", id="as before"),
        pytest.param(Health(frozenset(), ()), "", id="better than before"),
        pytest.param(Health(frozenset(["n1"]), ()), "not Ready: n1", id="another node is down"),
        pytest.param(
            Health(frozenset(), ("default/x",)), "", id="as many pods are ill, under other names"
        ),
        pytest.param(
            Health(frozenset(), ("default/b", "default/c")),
            "2 pods are not ready, 1 before: default/c",
            id="one more pod is ill",
        ),
    ],
)
def test_only_what_is_worse_than_before_counts(now: Health, complaints: str) -> None:
    assert now.complaints(BEFORE) == complaints


def test_a_finished_pod_is_not_ill() -> None:
    assert find_health([], [pod("job", ready=False, phase="Succeeded")]).pods == ()


@pytest.mark.parametrize(
    ("left", "total", "share", "canary", "count"),
    [(6, 6, 50, True, 1), (5, 6, 50, False, 3), (2, 6, 50, False, 2), (1, 2, 20, False, 1)],
)
def test_one_first_and_then_a_share(
    left: int, total: int, share: int, canary: bool, count: int
) -> None:
    assert next_batch(left, total, share, is_canary=canary) == count

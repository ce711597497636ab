"""Quantities as the scheduler counts them, and texts that are not quantities."""

from decimal import Decimal
from typing import Any

import pytest

from clients.kubernetes.load import add_requests
from clients.kubernetes.quantities import LARGEST, read_amount, read_quantity
from clients.kubernetes.records import node_from
from clients.kubernetes.seen import state_from
from domain.autoscaling.see.snapshot import Resources


@pytest.mark.parametrize(
    ("text", "value"),
    [("100m", "0.1"), ("2Gi", 2**31), ("1e3", 1000), ("2E", 2 * 10**18), ("1.5Ki", 1536), (7, 7)],
)
def test_quantity_is_exact(text: str | int, value: str | int) -> None:
    assert read_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", "1GB", "none", "NaN", "sNaN", "1e9999999Ei", "0x10", None, {}, []]
)
def test_other_text_is_not_a_quantity(text: Any) -> None:
    assert read_quantity(text) is None


@pytest.mark.parametrize("text", ["8Ei", "1e400", "1e99999", "Infinity"])
def test_amount_that_kubernetes_cannot_hold_is_its_largest(text: str) -> None:
    assert read_amount(text) == LARGEST


@pytest.mark.parametrize(("text", "amount"), [("100u", 1), ("1500m", 2), ("570m", 1), ("3", 3)])
def test_part_of_a_unit_counts_as_a_whole_one(text: str, amount: int) -> None:
    assert read_amount(text) == amount


def make_pod(cpu: str, node: str = "n") -> dict[str, Any]:
    containers = [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}]
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {
        "metadata": {"name": f"p-{cpu}", "namespace": "shop"},
        "spec": {"containers": containers, "nodeName": node},
        "status": {"phase": "Pending", "conditions": [condition]},
    }


def make_node(cpu: str, pods: str = "42") -> dict[str, Any]:
    allocatable = {"cpu": cpu, "memory": "3Gi", "pods": pods}
    return {"metadata": {"name": "n"}, "status": {"allocatable": allocatable}}


def test_millicores_of_many_decimals_are_rounded_up_once() -> None:
    (node,) = state_from([make_node("0.57")], [make_pod("100100u")], []).nodes
    assert (node.allocatable.cpu_millis, node.pods[0].requests.cpu_millis) == (570, 101)


def test_node_whose_quantity_cannot_be_read_has_nothing_to_give() -> None:
    state = state_from([make_node("two", "many")], [make_pod("1")], [])
    (node,) = state.nodes
    assert (node.allocatable, node.places) == (Resources(0, 3 * 2**30), 0)
    assert node_from(make_node("two", "many")).pods_allocatable == 0


def test_pod_whose_quantity_cannot_be_read_fits_nowhere() -> None:
    (waiting,) = state_from([], [make_pod("two", node="")], []).pending
    assert waiting.requests == Resources(1000 * LARGEST, 2**30)


def test_pod_whose_quantity_cannot_be_read_is_left_out_of_the_sums() -> None:
    found = add_requests([make_pod("two"), make_pod("1")])
    assert (found["n"].cpu, found["n"].memory) == (1.0, 2.0 * 2**30)

"""Samples from the cluster's API; an unknown value gives none."""

from datetime import UTC, datetime

from domain.observe.metrics.load import ClusterLoad, NodeLoad, Requests, load_samples
from domain.spec.metrics import BUILT_IN

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def values(load: ClusterLoad) -> dict[tuple[str, str], float]:
    samples = load_samples(load, "demo", NOON, daemons=2)
    assert {one.unit for one in samples} <= {metric.unit for metric in BUILT_IN.values()}
    return {(one.machine, one.metric): one.value for one in samples}


def make_node(
    requested: Requests | None = Requests(1.0, 1024.0),  # noqa: B008 - frozen
    conditions: dict[str, bool | None] | None = None,
) -> NodeLoad:
    return NodeLoad(
        name="n1",
        group="k8s-node",
        pods=27,
        containers=30,
        pods_allocatable=42,
        allocatable=Requests(4.0, 4096.0),
        requested=requested,
        conditions={"Ready": True} if conditions is None else conditions,
    )


def test_places_are_those_that_daemons_leave_and_shares_are_of_the_allocatable() -> None:
    found = values(ClusterLoad((make_node(),), pending=3, unschedulable=1))
    assert found == {
        ("", "podsPending"): 3.0,
        ("", "podsUnschedulable"): 1.0,
        ("n1", "podsNum"): 27.0,
        ("n1", "podsRoom"): 40.0,
        ("n1", "containersNum"): 30.0,
        ("n1", "cpuRequested"): 25.0,
        ("n1", "memoryRequested"): 25.0,
        ("n1", "ready"): 1.0,
    }


def test_requests_that_were_not_read_are_not_zero() -> None:
    found = values(ClusterLoad((make_node(requested=None),), 0, 0))
    assert not {"cpuRequested", "memoryRequested"} & {metric for _, metric in found}


def test_node_that_stopped_reporting_is_not_ready_and_its_pressures_are_unknown() -> None:
    conditions = {"Ready": None, "MemoryPressure": None, "DiskPressure": True, "PIDPressure": False}
    found = values(ClusterLoad((make_node(conditions=conditions),), 0, 0))
    assert found["n1", "ready"] == 0.0
    assert found["n1", "diskPressure"] == 1.0
    assert found["n1", "pidPressure"] == 0.0
    assert ("n1", "memoryPressure") not in found

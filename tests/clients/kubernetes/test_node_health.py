"""Whether a node is Ready, and for how long it is not, by the cluster's clock."""

from datetime import UTC, datetime
from typing import Any

import pytest

from clients.kubernetes.records import kubelet_from
from domain.node.serving import Kubelet

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def ready(status: str, since: str | None = "2026-11-02T11:55:00Z") -> dict[str, Any]:
    """Its heartbeat is hours old: that is the time of the node's own clock."""
    times = {"lastHeartbeatTime": "2026-11-02T04:00:00Z", "lastTransitionTime": since}
    return {"conditions": [{"type": "Ready", "status": status, **times}]}


@pytest.mark.parametrize(
    ("status", "health"),
    [
        pytest.param(ready("True"), Kubelet(ready=True), id="Ready"),
        pytest.param(ready("False"), Kubelet(False, 300), id="reports that it is not"),
        pytest.param(ready("Unknown"), Kubelet(False, 300), id="does not report"),
        pytest.param(ready("Unknown", "2026-11-02T12:00:09Z"), Kubelet(False), id="just now"),
        pytest.param(ready("Unknown", None), Kubelet(False), id="without a time"),
        pytest.param({}, Kubelet(ready=False), id="before its first report"),
    ],
)
def test_health_of_a_node(status: dict[str, Any], health: Kubelet) -> None:
    assert kubelet_from(status, NOON) == health


def test_without_a_clock_of_the_cluster_there_is_no_age() -> None:
    assert kubelet_from(ready("Unknown"), None) == Kubelet(ready=False)

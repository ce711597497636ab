"""Whether pods have a place when their nodes leave."""

from dataclasses import replace

from domain.autoscaling.fit.moving import find_stranded
from domain.autoscaling.see.placement import Placement, Taint
from domain.autoscaling.see.snapshot import SeenPod
from tests.domain.autoscaling.scaling_makers import make_node, make_pods


def test_pods_with_room_elsewhere_are_not_stranded() -> None:
    assert find_stranded([make_node(1, 10), make_node(2, 30)], ["k8s-node-1"], -10) == []


def test_pods_beyond_the_room_of_the_others_are_named() -> None:
    found = find_stranded([make_node(1, 12), make_node(2, 30)], ["k8s-node-1"], -10)
    assert len(found) == 2
    assert all("the other nodes are full" in words for words in found)


def test_a_pod_that_no_other_node_accepts_is_named_with_that_reason() -> None:
    tainted = replace(make_node(2, 0), taints=(Taint("gpu", "true"),))
    [pod] = make_pods(1, placement=Placement())
    found = find_stranded([make_node(1, [pod]), tainted], ["k8s-node-1"], -10)
    assert found == ["default/web-0 (no other node is one that it accepts)"]


def test_daemon_pods_and_those_without_importance_may_go() -> None:
    pods = [SeenPod("default", "daemon", owner="DaemonSet"), *make_pods(1, priority=-100)]
    assert find_stranded([make_node(1, pods)], ["k8s-node-1"], -10) == []

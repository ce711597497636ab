"""Emptying a node: what leaves, what stays, and what happens when it cannot be emptied."""

from collections.abc import Mapping, Sequence

import pytest

from domain.cluster.api import Manifest, Pod
from domain.kernel.errors import FinalError, NotFound, WaitTimedOut
from domain.node.drain import drain, uncordon
from domain.node.remove import check_emptied, wait_until_detached
from tests.domain.clocks import JumpingClock

NODE = "k8s-node-a"


def make_pod(
    name: str, owner: str = "ReplicaSet", phase: str = "Running", mirror: bool = False
) -> Pod:
    return Pod("default", name, f"uid-{name}", NODE, phase, True, owner, mirror)


class OneNode:
    """The part of a cluster's API that a drain uses: evicted pods are gone at the next look."""

    def __init__(self, *pods: Pod, held: Mapping[str, int] | None = None) -> None:
        self.pods = list(pods)
        self.held = dict(held or {})  # by name: how often a budget still says no
        self.schedulable = [True]
        self.annotations: dict[str, str | None] = {}
        self.evictions: list[str] = []
        self.reports = True

    def read(self, kind: str, name: str, namespace: str = "") -> Manifest | None:
        assert kind == "Node"
        if name != NODE:
            return None
        annotations = {key: value for key, value in self.annotations.items() if value}
        spec = {} if self.schedulable[-1] else {"unschedulable": True}
        ready = {"type": "Ready", "status": "True" if self.reports else "Unknown"}
        return {
            "metadata": {"name": name, "annotations": annotations},
            "spec": spec,
            "status": {"conditions": [ready]},
        }

    def annotate_node(self, node: str, annotations: Mapping[str, str | None]) -> None:
        self.annotations |= annotations

    def cordon_marked(self, node: str, mark: str) -> None:
        assert self.annotations[mark] == "true"
        self.set_schedulable(node, False)

    def set_schedulable(self, node: str, schedulable: bool) -> None:
        if node != NODE:
            raise NotFound(node)
        self.schedulable.append(schedulable)

    def list_pods(
        self, *, node: str = "", namespace: str = "", selector: str = ""
    ) -> Sequence[Pod]:
        assert node == NODE
        return list(self.pods)

    def evict(self, pod: Pod) -> bool:
        self.evictions.append(pod.name)
        if self.held.get(pod.name, 0) > 0:
            self.held[pod.name] -= 1
            return False
        self.pods.remove(pod)
        return True


def empty(api: OneNode, node: str = NODE) -> str:
    progress: list[str] = []
    return drain(api, node, progress.append, 60, JumpingClock()).did  # type: ignore[arg-type]


def test_workload_pods_leave_and_daemons_and_mirrors_stay() -> None:
    stays = [make_pod("proxy", owner="DaemonSet"), make_pod("static", mirror=True)]
    api = OneNode(make_pod("web-1"), make_pod("bare", owner=""), *stays)
    assert empty(api) == "2 pods moved"
    assert api.pods == stays
    assert api.schedulable == [True, False]


def test_finished_pods_do_not_delay_a_drain() -> None:
    api = OneNode(make_pod("job", phase="Succeeded"))
    assert empty(api) == "0 pods moved"
    assert api.evictions == []


def test_a_forbidden_eviction_is_retried() -> None:
    api = OneNode(make_pod("web-1"), make_pod("web-2"), held={"web-2": 2})
    assert empty(api) == "2 pods moved"
    assert api.evictions == ["web-1", "web-2", "web-2", "web-2"]


def test_a_node_that_cannot_be_emptied_is_uncordoned_and_the_remaining_pods_are_named() -> None:
    api = OneNode(make_pod("web-1"), make_pod("db-0"), held={"db-0": 10_000})
    with pytest.raises(WaitTimedOut, match=r"of default/db-0 \(give.*it accepts pods again"):
        empty(api)
    assert api.schedulable == [True, False, True]
    assert [pod.name for pod in api.pods] == ["db-0"]


def test_the_pods_that_did_not_leave_are_counted_beyond_the_first_five() -> None:
    names = [f"db-{number}" for number in range(9)]
    api = OneNode(*map(make_pod, names), held=dict.fromkeys(names, 10_000))
    with pytest.raises(WaitTimedOut, match="default/db-4 and 4 more "):
        empty(api)


def test_a_lost_api_server_uncordons_the_node_too() -> None:
    class Breaks(OneNode):
        def evict(self, pod: Pod) -> bool:
            raise NotFound("the cluster is gone")

    api = Breaks(make_pod("web-1"))
    with pytest.raises(NotFound):
        empty(api)
    assert api.schedulable[-1] is True


def test_a_machine_without_a_node_has_nothing_to_move() -> None:
    assert empty(OneNode(), node="k8s-node-gone") == "k8s-node-gone is not a node"


def test_an_evicted_pod_that_lingers_is_not_evicted_twice() -> None:
    class Lingers(OneNode):
        looks = 0

        def evict(self, pod: Pod) -> bool:
            self.evictions.append(pod.name)
            return True

        def list_pods(
            self, *, node: str = "", namespace: str = "", selector: str = ""
        ) -> Sequence[Pod]:
            self.looks += 1
            return list(self.pods) if self.looks < 4 else []

    api = Lingers(make_pod("slow"))
    assert empty(api) == "1 pods moved"
    assert api.evictions == ["slow"]


def test_a_pod_that_was_evicted_and_does_not_end_is_told_from_one_that_a_budget_keeps() -> None:
    class Lingers(OneNode):
        def evict(self, pod: Pod) -> bool:
            return pod.name != "db-0"

    api = Lingers(make_pod("slow"), make_pod("db-0"))
    kept = r"eviction of default/db-0 \(.*default/slow were evicted and do not end"
    with pytest.raises(WaitTimedOut, match=kept):
        empty(api)


def test_the_pods_of_a_node_that_does_not_report_are_not_waited_for() -> None:
    api = OneNode(make_pod("web-1"), make_pod("db-0"), held={"db-0": 10_000})
    api.reports = False
    assert empty(api) == "its kubelet does not report, so its 2 pods are not waited for"
    assert api.evictions == []
    assert api.schedulable == [True, False]
    check_emptied(api, NODE)  # type: ignore[arg-type]


def test_a_node_that_stops_reporting_in_the_middle_of_its_drain_is_removed() -> None:
    class Dies(OneNode):
        def evict(self, pod: Pod) -> bool:
            self.reports = False
            return True  # no kubelet ends it

    assert "its 1 pods are not waited for" in empty(Dies(make_pod("web-1")))


@pytest.mark.parametrize(
    ("reports", "did"),
    [(True, "1 detached"), (False, "pvc-1 stay attached, because k8s-node-a does not report")],
)
def test_volumes_of_a_node_that_does_not_report_are_not_waited_for(reports: bool, did: str) -> None:
    class Attached(OneNode):
        looks = 0

        def list_attached_volumes(self, node: str) -> list[str]:
            self.looks += 1
            return ["pvc-1"] if self.looks < 3 or not self.reports else []

    api = Attached()
    api.reports = reports
    assert wait_until_detached(api, NODE, JumpingClock()).did == did


def test_an_objection_ends_a_drain_and_uncordons_the_node() -> None:
    api = OneNode(make_pod("web-1"), make_pod("web-2"), held={"web-2": 10_000})
    words = iter(["", "3 pods wait for room now"])
    with pytest.raises(FinalError, match="uncordoned with 1 pods left on it, because 3 pods wait"):
        drain(api, NODE, print, 60, JumpingClock(), lambda: next(words))  # type: ignore[arg-type]
    assert api.schedulable == [True, False, True]
    assert [pod.name for pod in api.pods] == ["web-2"]


def test_a_cordon_of_a_user_stays_when_the_node_cannot_be_emptied() -> None:
    api = OneNode(make_pod("db-0"), held={"db-0": 10_000})
    api.schedulable.append(False)
    with pytest.raises(WaitTimedOut, match=r"default/db-0 .*it stays cordoned, as before"):
        empty(api)
    assert api.schedulable == [True, False]
    assert uncordon(api, NODE) is False  # type: ignore[arg-type]
    assert api.schedulable == [True, False]


def test_the_cordon_of_a_killed_run_is_removed_by_the_next_one() -> None:
    class Killed(BaseException):
        pass

    class Dies(OneNode):
        def set_schedulable(self, node: str, schedulable: bool) -> None:
            if schedulable:
                raise Killed
            super().set_schedulable(node, schedulable)

    left = Dies(make_pod("db-0"), held={"db-0": 10_000})
    with pytest.raises(Killed):
        empty(left)
    api = OneNode(make_pod("db-0"), held={"db-0": 10_000})
    api.schedulable, api.annotations = [*left.schedulable], left.annotations
    with pytest.raises(WaitTimedOut, match="it accepts pods again"):
        empty(api)
    assert api.schedulable[-1] is True
    assert not any(api.annotations.values())


def test_the_machine_of_an_emptied_or_a_missing_node_may_be_terminated() -> None:
    api = OneNode(make_pod("proxy", owner="DaemonSet"), make_pod("web-1"))
    empty(api)
    check_emptied(api, NODE)  # type: ignore[arg-type]
    check_emptied(api, "k8s-node-gone")  # type: ignore[arg-type]


def test_a_node_that_was_uncordoned_meanwhile_keeps_its_machine() -> None:
    api = OneNode(make_pod("web-1"))
    empty(api)
    api.set_schedulable(NODE, True)
    with pytest.raises(FinalError, match="k8s-node-a keeps its machine"):
        check_emptied(api, NODE)  # type: ignore[arg-type]


def test_a_node_with_pods_on_it_again_keeps_its_machine_and_names_them() -> None:
    api = OneNode(make_pod("web-1"))
    empty(api)
    api.pods.append(make_pod("web-2"))
    with pytest.raises(FinalError, match=r"run on it again: default/web-2$"):
        check_emptied(api, NODE)  # type: ignore[arg-type]
    api.pods.extend(make_pod(f"web-{number}") for number in range(3, 9))
    with pytest.raises(FinalError, match=r"default/web-6 and 2 more$"):
        check_emptied(api, NODE)  # type: ignore[arg-type]

"""What a decision about a group's size needs, read from the API's lists."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from clients.kubernetes import ClusterClient, wire
from domain.autoscaling.see.placement import (
    HostPort,
    Operator,
    Requirement,
    Spread,
    Taint,
    Toleration,
)
from domain.autoscaling.see.snapshot import Budget, Resources
from domain.autoscaling.see.state import ClusterState, Marked
from domain.kernel.errors import TemporaryError
from tests.clients.kubernetes.canned_apiserver import Answer, Apiserver

PODS = "/api/v1/pods"
WAITING = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
GIB = 2**30


def make_pod(name: str = "p", node: str = "", **spec: Any) -> dict[str, Any]:
    containers = [{"name": "c", "resources": {"requests": {"cpu": "250m", "memory": "1Gi"}}}]
    status = {"phase": "Running"} if node else {"phase": "Pending", "conditions": [WAITING]}
    owner = {"kind": "ReplicaSet", "controller": True}
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences": [owner]},
        "spec": {"containers": containers, **({"nodeName": node} if node else {}), **spec},
        "status": status,
    }


def make_node(name: str = "n", **metadata: Any) -> dict[str, Any]:
    labels = {"k8s-qingcloud/group": "k8s-node"}
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    room = {"cpu": "1900m", "memory": "3Gi", "pods": "42", "nvidia.com/gpu": "1"}
    return {
        "metadata": {"name": name, "labels": labels, **metadata},
        "spec": {"unschedulable": True, "taints": [cordon, {"key": "db", "effect": "NoExecute"}]},
        "status": {"allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def read(
    apiserver: Apiserver,
    cluster: ClusterClient,
    nodes: list[Any] | None = None,
    pods: list[Any] | None = None,
    budgets: list[Any] | None = None,
    daemon_sets: list[Any] | None = None,
) -> ClusterState:
    lists = {
        "/api/v1/nodes": nodes or [],
        PODS: pods or [],
        "/apis/policy/v1/poddisruptionbudgets": budgets or [],
        "/apis/apps/v1/daemonsets": daemon_sets or [],
    }
    for path, items in lists.items():
        apiserver.answer("GET", path, Answer(200, {"metadata": {}, "items": items}))
    return cluster.read_state()


def test_nodes_come_with_their_pods(apiserver: Apiserver, cluster: ClusterClient) -> None:
    state = read(apiserver, cluster, [make_node()], [make_pod(node="n"), make_pod("q", "other")])
    (node,) = state.nodes
    assert (node.group, node.ready, node.schedulable, node.places) == ("k8s-node", True, False, 42)
    assert node.allocatable == Resources(1900, 3 * GIB, (("nvidia.com/gpu", 1),))
    assert node.taints == (Taint("db", "", "NoExecute"),)  # a cordon is not repeated as a taint
    (pod,) = node.pods
    assert (pod.title, pod.owner, pod.requests) == ("shop/p", "ReplicaSet", Resources(250, GIB))
    assert state.pending == ()


def test_pods_are_pending_only_when_marked_unschedulable(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    young = make_pod("young") | {"status": {"phase": "Pending"}}
    gated = make_pod("gated", schedulingGates=[{"name": "later"}])
    daemon = make_pod("daemon")
    daemon["metadata"]["ownerReferences"][0]["kind"] = "DaemonSet"
    state = read(apiserver, cluster, [], [make_pod("waits"), young, gated, daemon])
    assert [pod.name for pod in state.pending] == ["waits"]


def test_placement_of_a_pod_is_read(apiserver: Apiserver, cluster: ClusterClient) -> None:
    term = {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    apart = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}}
    pod = make_pod(
        nodeSelector={"arch": "amd64"},
        tolerations=[{"key": "db", "operator": "Exists"}],
        affinity={
            "nodeAffinity": {required: {"nodeSelectorTerms": [term]}},
            "podAntiAffinity": {required: [apart]},
        },
    )
    pod["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 8080}]
    (seen,) = read(apiserver, cluster, [], [pod]).pending
    placement = seen.placement
    assert placement.all_of == (Requirement("arch", Operator.IN, ("amd64",)),)
    assert placement.any_of == ((Requirement("disk", Operator.EXISTS),),)
    assert placement.tolerations == (Toleration("db", "Exists"),)
    assert placement.apart[0].topology == "zone"
    assert placement.apart[0].selector == (Requirement("app", Operator.IN, ("db",)),)
    assert placement.host_ports == (HostPort(8080),)


def test_terms_of_affinity_are_read_as_the_scheduler_does(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    name = {"key": "metadata.name", "operator": "In", "values": ["host-1"]}
    everywhere = {"topologyKey": "zone", "labelSelector": {}, "namespaceSelector": {}}
    pod = make_pod(
        affinity={
            "nodeAffinity": {required: {"nodeSelectorTerms": [{"matchFields": [name]}, {}]}},
            "podAffinity": {required: [{"topologyKey": "zone"}]},
            "podAntiAffinity": {required: [everywhere]},
        },
    )
    (seen,) = read(apiserver, cluster, [], [pod]).pending
    placement = seen.placement
    hostname = "kubernetes.io/hostname"
    assert [placement.accepts_labels({hostname: f"host-{n}"}) for n in (1, 2)] == [True, False]
    assert placement.together[0].selector is None
    (apart,) = placement.apart
    assert apart.selector == ()
    assert apart.means("another", own="default")


def test_spread_constraints_are_read(apiserver: Apiserver, cluster: ClusterClient) -> None:
    selector = {"matchLabels": {"app": "web"}}
    hard = {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    choosy = {"minDomains": 3, "nodeAffinityPolicy": "Ignore", "nodeTaintsPolicy": "Honor"}
    soft = {**hard, "whenUnsatisfiable": "ScheduleAnyway"}
    pod = make_pod(
        topologySpreadConstraints=[hard, soft, {**hard, **choosy, "labelSelector": selector}]
    )
    (seen,) = read(apiserver, cluster, [], [pod]).pending
    web = (Requirement("app", Operator.IN, ("web",)),)
    assert seen.placement.spread == (Spread("zone", 2, ()), Spread("zone", 2, web, 3, False, True))


def test_deleted_pods_are_marked_as_leaving(apiserver: Apiserver, cluster: ClusterClient) -> None:
    deleted, stays = make_pod("deleted", "n"), make_pod("stays", "n")
    deleted["metadata"]["deletionTimestamp"] = "2026-11-02T12:00:00Z"
    (node,) = read(apiserver, cluster, [make_node()], [deleted, stays]).nodes
    assert {pod.name: pod.leaving for pod in node.pods} == {"deleted": True, "stays": False}


def test_requested_disk_counts(apiserver: Apiserver, cluster: ClusterClient) -> None:
    pod = make_pod()
    pod["spec"]["containers"][0]["resources"] = {"requests": {"ephemeral-storage": "2Gi"}}
    (seen,) = read(apiserver, cluster, [], [pod]).pending
    assert seen.requests == Resources(others=(("ephemeral-storage", 2 * 2**30),))


@pytest.mark.parametrize(
    ("volume", "annotations", "kept"),
    [
        ({"emptyDir": {}}, {}, True),
        ({"hostPath": {"path": "/data"}}, {}, True),
        ({"emptyDir": {"medium": "Memory"}}, {}, False),
        ({"secret": {"secretName": "s"}}, {}, False),
        ({"emptyDir": {}}, {"safe-to-evict-local-volumes": "other,v"}, False),
    ],
    ids=["disk", "host", "memory", "secret", "annotated as safe"],
)
def test_local_data_of_a_pod_is_detected(
    apiserver: Apiserver,
    cluster: ClusterClient,
    volume: dict[str, Any],
    annotations: dict[str, str],
    kept: bool,
) -> None:
    pod = make_pod(volumes=[{"name": "v", **volume}])
    prefix = "cluster-autoscaler.kubernetes.io/"
    pod["metadata"]["annotations"] = {prefix + key: text for key, text in annotations.items()}
    (seen,) = read(apiserver, cluster, [], [pod]).pending
    assert seen.local_storage is kept


def test_annotations_of_cluster_autoscaler_are_honoured(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    prefix = "cluster-autoscaler.kubernetes.io/"
    node = make_node(annotations={f"{prefix}scale-down-disabled": "true"})
    pod = make_pod(node="n")
    pod["metadata"]["annotations"] = {f"{prefix}safe-to-evict": "false"}
    (seen,) = read(apiserver, cluster, [node], [pod]).nodes
    assert seen.removal_disabled
    assert seen.pods[0].safe_to_evict is False


def test_budgets_and_marks_are_read(apiserver: Apiserver, cluster: ClusterClient) -> None:
    budget = {
        "metadata": {"name": "b", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
        "status": {"disruptionsAllowed": 2},
    }
    node = make_node(annotations={"k8s-qingcloud/leaving": "host-1"})
    state = read(apiserver, cluster, [node], [], [budget])
    selector = (Requirement("app", Operator.IN, ("web",)),)
    assert state.budgets == (Budget("shop", "b", selector, 2),)
    assert state.marked == (Marked("n", "host-1"),)


def test_a_budget_without_a_selector_covers_no_pod_and_an_empty_one_covers_all(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    def budget(name: str, spec: dict[str, Any]) -> dict[str, Any]:
        return {"metadata": {"name": name, "namespace": "shop"}, "spec": spec}

    budgets = [budget("none", {}), budget("all", {"selector": {}})]
    state = read(apiserver, cluster, [], [], budgets)
    assert state.budgets == (Budget("shop", "all", (), 0),)


def test_watch_yields_pending_pods(apiserver: Apiserver, cluster: ClusterClient) -> None:
    young = make_pod("young") | {"status": {"phase": "Pending"}}
    events = [("ADDED", young), ("MODIFIED", make_pod("waits")), ("DELETED", make_pod("gone"))]
    apiserver.answer("GET", PODS, make_stream(events))
    assert list(cluster.watch_waiting_pods(5)) == ["waits"]
    assert apiserver.requests[-1].query["watch"] == "1"


def test_a_silent_watch_is_kept_for_as_long_as_it_was_asked_for(
    apiserver: Apiserver, cluster: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time for a connection is shorter, and ends with it."""
    monkeypatch.setattr(wire, "CONNECT_TIMEOUT", 0.5)
    late = replace(make_stream([("ADDED", make_pod("late"))]), silence=0.7)
    apiserver.answer("GET", PODS, late)
    assert list(cluster.watch_waiting_pods(5)) == ["late"]


def test_expired_watch_is_a_temporary_error(apiserver: Apiserver, cluster: ClusterClient) -> None:
    apiserver.answer("GET", "/api/v1/nodes", make_stream([("ERROR", {"code": 410})]))
    with pytest.raises(TemporaryError, match="must be restarted"):
        exhaust(cluster.watch_nodes(5))
    apiserver.answer("GET", "/api/v1/nodes", Answer(500, {"kind": "Status", "message": "busy"}))
    with pytest.raises(TemporaryError, match="busy"):
        exhaust(cluster.watch_nodes(5))


def make_stream(events: list[tuple[str, dict[str, Any]]]) -> Answer:
    lines = [json.dumps({"type": word, "object": item}) + "\n" for word, item in events]
    return Answer(200, "".join(lines))


def exhaust(names: Iterator[str]) -> None:
    for _ in names:
        pass


def test_object_that_another_client_changed_is_not_replaced(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    lease = {"kind": "Lease", "metadata": {"name": "l", "namespace": "kube-system"}}
    conflict = Answer(409, {"kind": "Status", "reason": "Conflict", "message": "changed"})
    apiserver.answer("POST", leases, Answer(201, lease), conflict)
    assert cluster.create(lease) is True
    assert cluster.create(lease) is False
    apiserver.answer("PUT", f"{leases}/l", Answer(200, lease), conflict)
    assert cluster.replace(lease) is True
    assert cluster.replace(lease) is False


def test_host_ports_are_read_with_address_and_protocol_of_side_cars_too(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    port = {"containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "10.0.0.1"}
    side_car = {"name": "s", "restartPolicy": "Always", "ports": [port]}
    before = {"name": "i", "ports": [{"containerPort": 1, "hostPort": 1}]}
    pod = make_pod(initContainers=[side_car, before])
    (seen,) = read(apiserver, cluster, [], [pod]).pending
    assert seen.placement.host_ports == (HostPort(53, "UDP", "10.0.0.1"),)


def test_huge_pages_and_priority_are_read(apiserver: Apiserver, cluster: ClusterClient) -> None:
    pod = make_pod(priority=-20)
    pod["spec"]["containers"][0]["resources"]["requests"]["hugepages-2Mi"] = "4Mi"
    (seen,) = read(apiserver, cluster, [], [pod]).pending
    assert seen.requests.others == (("hugepages-2Mi", 4 * 2**20),)
    assert seen.priority == -20


def test_pod_that_preempts_others_has_its_room_on_that_node(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    pods = [make_pod("next"), make_pod("lost")]
    for pod, node in zip(pods, ("n", "gone"), strict=True):
        pod["status"]["nominatedNodeName"] = node
    state = read(apiserver, cluster, [make_node()], pods)
    assert [pod.name for pod in state.nodes[0].pods] == ["next"]
    assert [pod.name for pod in state.pending] == ["lost"]


NONE = "0/3 nodes are available: "
TAIL = (
    " no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not "
    "helpful for scheduling."
)


@pytest.mark.parametrize(
    ("message", "hold"),
    [
        pytest.param(f"{NONE}3 Insufficient cpu.{TAIL}", "", id="cpu"),
        pytest.param("no nodes available to schedule pods", "", id="no nodes"),
        pytest.param("", "", id="nothing said"),
        pytest.param(
            f"{NONE}1 node(s) had untolerated taint(s), 2 node(s) didn't match Pod's node "
            f"affinity/selector.{TAIL}",
            "",
            id="labels and taints",
        ),
        pytest.param(
            f"{NONE}pod has unbound immediate PersistentVolumeClaims.{TAIL}",
            "pod has unbound immediate PersistentVolumeClaims",
            id="a claim",
        ),
        pytest.param(
            f'{NONE}persistentvolumeclaim "data" not found.{TAIL}',
            'persistentvolumeclaim "data" not found',
            id="no claim",
        ),
        pytest.param(
            f"{NONE}1 node(s) had untolerated taint(s), 2 node(s) had volume node affinity "
            f"conflict.{TAIL}",
            "node(s) had volume node affinity conflict",
            id="a volume of another place",
        ),
        pytest.param(
            f"{NONE}1 Insufficient memory, 2 node(s) had volume node affinity conflict.{TAIL}",
            "",
            id="a machine more may help",
        ),
        pytest.param(
            f"{NONE}3 the moon is not full, which 2 plugins want.{TAIL}",
            "the moon is not full, which 2 plugins want",
            id="a plugin of a later release",
        ),
    ],
)
def test_pods_that_no_machine_helps_are_held(
    apiserver: Apiserver, cluster: ClusterClient, message: str, hold: str
) -> None:
    pod = make_pod("p")
    pod["status"]["conditions"] = [WAITING | {"message": message}]
    state = read(apiserver, cluster, [], [pod])
    assert [one.name for one in state.pending] == ([] if hold else ["p"])
    assert [one.held_by for one in state.held] == ([hold] if hold else [])


def test_gated_pods_and_those_that_the_scheduler_fails_on_are_held(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    gated = make_pod("gated", schedulingGates=[{"name": "quota"}, {"name": "later"}])
    failed = make_pod("failed")
    told = WAITING | {"reason": "SchedulerError", "message": "plugin timed out"}
    failed["status"]["conditions"] = [told]
    state = read(apiserver, cluster, [], [gated, failed])
    assert state.pending == ()
    assert [pod.held_by for pod in state.held] == [
        "scheduling gate quota, later",
        "scheduler error: plugin timed out",
    ]


def test_pods_that_claim_devices_are_held(apiserver: Apiserver, cluster: ClusterClient) -> None:
    """No template promises a device, whatever the scheduler says."""
    pod = make_pod("p", resourceClaims=[{"name": "gpu", "resourceClaimName": "mine"}])
    state = read(apiserver, cluster, [], [pod])
    assert [one.held_by for one in state.held] == ["resource claim gpu"]
    assert state.pending == ()


def make_daemon_set(name: str = "log", **spec: Any) -> dict[str, Any]:
    port = {"containerPort": 9100}
    limits = {"requests": {"cpu": "10m"}, "limits": {"cpu": "1", "memory": "64Mi"}}
    container = {"name": "c", "resources": limits, "ports": [port]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **spec}}
    return {
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"template": template},
    }


def test_daemon_sets_are_read_as_the_pods_that_they_make(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    """With a limit for a missing request, the node's ports, and the controller's tolerations."""
    wanted = make_daemon_set(hostNetwork=True, nodeSelector={"disk": "ssd"})
    leaving = make_daemon_set("old")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-02T12:00:00Z"
    (daemon,) = read(apiserver, cluster, [], [], daemon_sets=[wanted, leaving]).daemons
    assert (daemon.title, daemon.is_workload) == ("kube-system/log", False)
    assert daemon.requests == Resources(10, 64 * 2**20)
    assert daemon.placement.host_ports == (HostPort(9100),)
    assert not daemon.placement.accepts_labels({})
    unready = Taint("node.kubernetes.io/not-ready", "", "NoExecute")
    assert daemon.placement.tolerates([unready, Taint("node.kubernetes.io/unschedulable")])
    assert not daemon.placement.tolerates([Taint("node.kubernetes.io/not-ready")])


def test_daemons_that_are_not_bound_yet_use_their_node(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    name = {"key": "metadata.name", "operator": "In", "values": ["n"]}
    affinity = {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchFields": [name]}]
        }
    }
    daemon = make_pod("log-x", affinity={"nodeAffinity": affinity})
    daemon["metadata"]["ownerReferences"][0]["kind"] = "DaemonSet"
    state = read(apiserver, cluster, [make_node()], [daemon])
    assert [pod.name for pod in state.nodes[0].pods] == ["log-x"]


@pytest.mark.parametrize(
    ("status", "spec", "allowed", "unhealthy"),
    [
        pytest.param({"disruptionsAllowed": 1}, {}, 1, False, id="one is allowed"),
        pytest.param(
            {"disruptionsAllowed": 1, "observedGeneration": 1}, {}, 0, False, id="an old status"
        ),
        pytest.param(
            {"currentHealthy": 2, "desiredHealthy": 2, "observedGeneration": 2},
            {},
            0,
            True,
            id="enough are healthy",
        ),
        pytest.param(
            {"observedGeneration": 2},
            {"unhealthyPodEvictionPolicy": "AlwaysAllow"},
            0,
            True,
            id="always",
        ),
    ],
)
def test_budget_says_which_pods_it_forbids_to_evict(
    apiserver: Apiserver,
    cluster: ClusterClient,
    status: dict[str, Any],
    spec: dict[str, Any],
    allowed: int,
    unhealthy: bool,
) -> None:
    generation = {"generation": 2} if "observedGeneration" in status else {}
    budget = {
        "metadata": {"name": "b", "namespace": "shop", **generation},
        "spec": {"selector": {}, **spec},
        "status": status,
    }
    (seen,) = read(apiserver, cluster, [], [], [budget]).budgets
    assert (seen.allowed, seen.unhealthy_may_leave) == (allowed, unhealthy)

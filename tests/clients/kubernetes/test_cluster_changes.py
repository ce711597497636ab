"""What is changed in a cluster, and what is left alone."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.kubernetes import ClusterClient
from clients.kubernetes.manifests import covers, normalised
from domain.cluster.api import Pod
from domain.kernel.errors import ApiRejected, InvalidSpec, NotFound, TemporaryError, UnknownOutcome
from tests.clients.kubernetes.canned_apiserver import Answer, Apiserver

RCS = "/api/v1/namespaces/default/replicationcontrollers"
RC = {
    "apiVersion": "v1",
    "kind": "ReplicationController",
    "metadata": {"name": "nginx", "namespace": "default"},
    "spec": {
        "replicas": 3,
        "selector": {"app": "nginx-demo"},
        "template": {
            "metadata": {"labels": {"app": "nginx-demo"}},
            "spec": {
                "containers": [
                    {"name": "nginx", "image": "nginx:latest", "ports": [{"containerPort": 80}]}
                ]
            },
        },
    },
}
EVICTION = "/api/v1/namespaces/default/pods/web-1/eviction"
POD = Pod("default", "web-1", "uid-1", "node-1", "Running", True, "ReplicaSet", False)


def make_answer(status: int, body: Any = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, body or {}, headers=named)


def test_absent_object_is_created(apiserver: Apiserver, cluster: ClusterClient) -> None:
    apiserver.answer("POST", RCS, make_answer(201))
    assert cluster.apply(RC)
    (change,) = apiserver.changes
    assert change.body == RC


def test_equal_object_is_not_changed(apiserver: Apiserver, cluster: ClusterClient) -> None:
    apiserver.recorded("GET", RCS + "/nginx", "replicationcontroller")
    assert not cluster.apply(RC)
    assert apiserver.changes == []


def test_different_object_is_merged(apiserver: Apiserver, cluster: ClusterClient) -> None:
    apiserver.recorded("GET", RCS + "/nginx", "replicationcontroller")
    apiserver.answer("PATCH", RCS + "/nginx", make_answer(200))
    wanted = json.loads(json.dumps(RC))
    wanted["spec"]["replicas"] = 5
    assert cluster.apply(wanted)
    (change,) = apiserver.changes
    assert change.content_type == "application/merge-patch+json"
    assert change.body == wanted


def test_object_that_another_client_creates_meanwhile_is_compared(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    apiserver.recorded("GET", RCS + "/nginx", "pod-not-found", "replicationcontroller")
    apiserver.recorded("POST", RCS, "already-exists")
    assert not cluster.apply(RC)


def test_object_that_is_being_deleted_is_a_temporary_error(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    leaving = {"metadata": {"name": "nginx", "deletionTimestamp": "2026-11-23T03:05:15Z"}}
    apiserver.answer("GET", RCS + "/nginx", make_answer(200, leaving))
    with pytest.raises(TemporaryError, match="being deleted"):
        cluster.apply(RC)


def test_refused_manifest_is_an_error_with_the_reason(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    apiserver.recorded("POST", RCS, "invalid-pod")
    with pytest.raises(ApiRejected, match="is invalid") as caught:
        cluster.apply(RC)
    assert (caught.value.status, caught.value.reason) == (422, "Invalid")


def test_an_unknown_kind_is_named(cluster: ClusterClient) -> None:
    with pytest.raises(InvalidSpec, match="'Ingress'"):
        cluster.apply({"kind": "Ingress", "metadata": {"name": "x"}})


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Namespace", "/api/v1/namespaces/x"),
        ("Node", "/api/v1/nodes/x"),
        ("Secret", "/api/v1/namespaces/ns/secrets/x"),
        ("Deployment", "/apis/apps/v1/namespaces/ns/deployments/x"),
        ("PodDisruptionBudget", "/apis/policy/v1/namespaces/ns/poddisruptionbudgets/x"),
        ("ClusterRoleBinding", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/x"),
    ],
)
def test_kinds_have_the_paths_of_the_api(
    apiserver: Apiserver, cluster: ClusterClient, kind: str, path: str
) -> None:
    cluster.read(kind, "x", "ns")
    assert apiserver.requests[0].path == path


def test_the_text_of_a_secret_is_compared_as_data(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    data = {"a": base64.b64encode(b"1").decode(), "b": base64.b64encode(b"2").decode()}
    live = {"kind": "Secret", "metadata": {"name": "s"}, "data": data}
    apiserver.answer("GET", "/api/v1/namespaces/default/secrets/s", make_answer(200, live))
    wanted = {"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"b": "2"}}
    assert not cluster.apply(wanted)


def test_normalising_does_not_change_the_given_manifest() -> None:
    manifest = {"kind": "Secret", "stringData": {"a": "b"}}
    normalised(manifest)
    assert manifest == {"kind": "Secret", "stringData": {"a": "b"}}


@pytest.mark.parametrize(
    ("live", "wanted", "same"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 1}, True, id="defaults-of-the-server"),
        pytest.param({"a": 1}, {"a": 2}, False, id="another-value"),
        pytest.param({}, {"a": 1}, False, id="absent"),
        pytest.param({"a": [{"n": 1, "d": 0}]}, {"a": [{"n": 1}]}, True, id="defaults-in-lists"),
        pytest.param({"a": [1, 2]}, {"a": [1]}, False, id="list-with-more"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, False, id="another-order"),
        pytest.param({}, {"a": {}, "b": [], "d": None}, True, id="empty-is-absent"),
        pytest.param({"a": {"b": 1}}, {"a": {}}, True, id="an-empty-mapping-wants-nothing"),
        pytest.param({"a": "b"}, {"a": None}, False, id="none-takes-away"),
        pytest.param({"a": [1]}, {"a": []}, False, id="an-empty-list-takes-away"),
        pytest.param({"a": True}, {"a": False}, False, id="false-is-a-value"),
        pytest.param({"a": 3}, {"a": 0}, False, id="zero-is-a-value"),
        pytest.param({"a": "text"}, {"a": {"b": 1}}, False, id="another-shape"),
    ],
)
def test_only_fields_of_the_manifest_are_compared(live: Any, wanted: Any, same: bool) -> None:
    assert covers(live, wanted) is same


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(DOCUMENTS)
@settings(deadline=None)  # a slow machine is not a failure
def test_every_document_covers_itself(document: Any) -> None:
    assert covers(document, document)


def test_delete_returns_whether_the_object_existed(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    base = "/api/v1/namespaces/kube-system/configmaps/"
    apiserver.recorded("DELETE", base + "here", "configmap-deleted")
    assert cluster.delete("ConfigMap", "here", "kube-system")
    assert not cluster.delete("ConfigMap", "absent", "kube-system")
    assert apiserver.changes[0].body == {"propagationPolicy": "Background"}


@pytest.mark.parametrize(
    ("spec", "schedulable", "sent"),
    [
        ({}, False, [{"spec": {"unschedulable": True}}]),
        ({"unschedulable": True}, False, []),
        ({"unschedulable": True}, True, [{"spec": {"unschedulable": None}}]),
        ({}, True, []),
    ],
    ids=["cordon", "cordoned-already", "uncordon", "schedulable-already"],
)
def test_cordoned_node_is_not_cordoned_again(
    apiserver: Apiserver, cluster: ClusterClient, spec: Any, schedulable: bool, sent: Any
) -> None:
    apiserver.answer("GET", "/api/v1/nodes/n", make_answer(200, {"spec": spec}))
    apiserver.answer("PATCH", "/api/v1/nodes/n", make_answer(200))
    cluster.set_schedulable("n", schedulable)
    assert [change.body for change in apiserver.changes] == sent


def test_labels_are_put_on_once(apiserver: Apiserver, cluster: ClusterClient) -> None:
    labels = {"node-role.kubernetes.io/worker": "", "k8s-qingcloud/group": "k8s-node"}
    bare, labelled = ({"metadata": {"labels": each}} for each in ({"old": "1"}, labels))
    path = "/api/v1/nodes/n"
    apiserver.answer("GET", path, make_answer(200, bare), make_answer(200, labelled))
    apiserver.answer("PATCH", path, make_answer(200))
    cluster.label_node("n", labels)
    cluster.label_node("n", labels)
    assert [change.body for change in apiserver.changes] == [{"metadata": {"labels": labels}}]


def test_exactly_this_pod_is_evicted(apiserver: Apiserver, cluster: ClusterClient) -> None:
    apiserver.recorded("POST", EVICTION, "evict-accepted")
    assert cluster.evict(POD)
    assert apiserver.changes[0].body["deleteOptions"] == {"preconditions": {"uid": "uid-1"}}


def test_disruption_budget_delays_an_eviction(apiserver: Apiserver, cluster: ClusterClient) -> None:
    apiserver.recorded("POST", EVICTION, "evict-forbidden")
    assert not cluster.evict(POD)


def test_a_busy_server_is_not_a_disruption_budget(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    busy = {"kind": "Status", "message": "too many requests, please try again later"}
    apiserver.answer("POST", EVICTION, make_answer(429, busy, Retry_After="7"))
    with pytest.raises(TemporaryError) as caught:
        cluster.evict(POD)
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("status", [404, 409], ids=["gone", "namesake"])
def test_eviction_of_a_deleted_pod_succeeds(
    apiserver: Apiserver, cluster: ClusterClient, status: int
) -> None:
    apiserver.answer("POST", EVICTION, make_answer(status))
    assert cluster.evict(POD)


def test_pod_under_two_budgets_is_a_final_error(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    message = "This pod has more than one PodDisruptionBudget, which is not supported."
    apiserver.answer("POST", EVICTION, make_answer(500, {"kind": "Status", "message": message}))
    with pytest.raises(ApiRejected, match="more than one"):
        cluster.evict(POD)


def test_token_of_an_account_is_created(apiserver: Apiserver, cluster: ClusterClient) -> None:
    path = "/api/v1/namespaces/kube-system/serviceaccounts/viewer/token"
    apiserver.answer("POST", path, make_answer(201, {"status": {"token": "t0ken"}}))
    assert cluster.create_token("kube-system", "viewer", 28800) == "t0ken"
    assert apiserver.changes[0].body["spec"] == {"expirationSeconds": 28800}


def test_a_lost_reply_to_a_change_is_an_unknown_outcome(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    apiserver.hangs_up = True
    with pytest.raises(UnknownOutcome, match="may have been done"):
        cluster.evict(POD)


def test_an_account_that_is_absent_is_not_found(cluster: ClusterClient) -> None:
    with pytest.raises(NotFound):
        cluster.create_token("kube-system", "nobody", 3600)


@pytest.mark.parametrize(
    ("live", "wanted", "covered"),
    [
        pytest.param({"a": "x"}, {"role": ""}, False, id="a label without a value is missing"),
        pytest.param({"role": ""}, {"role": ""}, True, id="a label without a value is there"),
        pytest.param(
            {}, {"limits": {}, "args": [], "flag": False}, True, id="the server drops these"
        ),
        pytest.param({"flag": True}, {"flag": None}, False, id="what must go is there"),
    ],
)
def test_live_object_covers_the_wanted_fields(
    live: dict[str, object], wanted: dict[str, object], covered: bool
) -> None:
    assert covers(live, wanted) is covered
